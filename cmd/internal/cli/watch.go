package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"

	"github.com/spf13/cobra"
)

func (a *app) watchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Prints a line of JSON per change, for scripts",
		Long: `Prints the status as a line of JSON, and a line more with each change, until it
is stopped. The fields are those of "lwa-agent status --json". When the agent
restarts, it goes on with the new one.`,
		Example: `  lwa-agent watch | jq --unbuffered -r .state`,
		Args:    noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			updates := a.socket().Follow(cmd.Context(), reconnectEvery)
			var last []byte
			for {
				u, err := next(cmd.Context(), updates)
				switch {
				case err != nil:
					return err
				case u.Err != nil && (last == nil || !errors.Is(u.Err, socket.ErrNotRunning)):
					return u.Err
				case u.Err != nil, bytes.Equal(u.Line, last):
					continue
				}
				last = u.Line
				if _, err := fmt.Fprintf(a.Out, "%s\n", u.Line); err != nil {
					return err
				}
			}
		},
	}
}

func next(ctx context.Context, updates <-chan socket.Update) (socket.Update, error) {
	select {
	case u := <-updates:
		return u, nil
	case <-ctx.Done():
		return socket.Update{}, ctx.Err()
	}
}

func (a *app) waitCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait",
		Short: "Returns once the device is linked",
		Long: `Returns once the device is linked. An agent that is not running yet is waited
for as well.

Exit status 3: the time was up first.`,
		Args: noArgs(func() error {
			if timeout < 0 {
				return fmt.Errorf("--timeout %s is negative", timeout)
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.wait(cmd.Context(), timeout) },
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait")
	return cmd
}

func (a *app) wait(ctx context.Context, timeout time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// The first answer is always waited for, so that --timeout 0 asks once.
	updates := a.socket().Follow(ctx, reconnectEvery)
	why := errors.New("the agent does not answer; see: systemctl status lwa-agent")
	for first := true; ; first = false {
		u, err := next(limited, updates)
		if err != nil && first && timeout == 0 && ctx.Err() == nil {
			u, err = next(ctx, updates)
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &exitError{exitNotLinked, fmt.Errorf("not linked within %s: %w", timeout, why)}
		case u.Err != nil && !errors.Is(u.Err, socket.ErrNotRunning):
			return u.Err
		case u.Err != nil:
			why = u.Err
		case u.Status.State == agent.Linked:
			return nil
		default:
			why = errors.New("nobody has signed in; link it with: lwa-agent link")
			if p := u.Status.LastError; p != nil {
				why = errors.New(problemText(p))
			}
		}
	}
}

// problemText is a problem on one line.
func problemText(p *agent.Problem) string { return socket.WithHint(p.Message, p.Hint) }
