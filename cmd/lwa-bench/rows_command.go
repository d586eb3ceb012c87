package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	rowCommand  = "token-command"
	commandRuns = 250
)

// commands measures "lwa-agent token" as a shell script feels it, and in turn
// with it the program that does nothing.
func (b *bench) commands(ctx context.Context) error {
	d, err := b.startLinked(ctx, deviceOptions{})
	if err != nil {
		return err
	}
	said, err := d.command(ctx, nil, "token").Output()
	if err != nil {
		return fmt.Errorf("lwa-agent token: %w", err)
	}
	if !strings.HasPrefix(string(said), "Atza|") {
		return errNoToken
	}
	var token, nothing []time.Duration
	for range commandRuns {
		one, err := timed(d.command(ctx, nil, "token"))
		if err != nil {
			return err
		}
		other, err := timed(exec.CommandContext(ctx, "true"))
		if err != nil {
			return err
		}
		token, nothing = append(token, one), append(nothing, other)
	}
	scale := summarize(milliseconds(nothing), "")
	b.found(rowCommand, summarize(milliseconds(token), fmt.Sprintf(
		"from before the fork to the end of the process, output to /dev/null; `true` in turn with it: median %s ms, p99 %s ms.",
		number(*scale.Median), number(*scale.P99))))
	return d.end()
}

func timed(cmd *exec.Cmd) (time.Duration, error) {
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", cmd, err)
	}
	return took, nil
}
