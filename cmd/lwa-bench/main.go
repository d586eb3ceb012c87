// Command lwa-bench measures the agent from outside: it builds lwa-agent as it
// is shipped, runs it against a simulated Amazon on this machine, and prints a
// table with the goal beside each figure.
//
// It judges nothing: a figure that misses its goal is marked and the exit
// status stays 0. It promises nothing about other machines, and its figures
// hold only where nothing else runs meanwhile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

const usage = `usage: lwa-bench [--only NAME,…] [--json] [--long]

Builds lwa-agent, measures it from outside against a simulated Amazon, and
prints a table with the goal beside each figure. It takes two minutes, during
which nothing else should run. Run it in the repository, and as root for all of
the figures. The exit status is 0 whatever the figures are.

  --only NAME   only the figures of these names, or that begin so
  --json        the same as JSON, to compare runs
  --long        wear the agent by 10,000 refreshes, which takes 90 minutes

The names:
`

// options are those of the command line.
type options struct {
	json, long bool
	only       []string // beginnings of names; none: all
}

func (o options) wants(name string) bool {
	return len(o.only) == 0 || slices.ContainsFunc(o.only, func(begin string) bool { return strings.HasPrefix(name, begin) })
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == bareCommand {
		fmt.Fprintf(os.Stderr, "lwa-bench: %v\n", serveBare(os.Args[3], os.Args[2] == bareKept))
		os.Exit(1)
	}
	if len(os.Args) > 2 && os.Args[1] == wiredCommand {
		fmt.Fprintf(os.Stderr, "lwa-bench: %v\n", becomeWired(os.Args[2:]))
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run returns the exit status: 0 measured, 1 it could not be measured at all,
// 2 wrong usage.
func run(ctx context.Context, args []string, out, progress io.Writer) int {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, usage)
		for _, r := range allRows() {
			fmt.Fprintf(out, "  %-17s %s\n", r.Name, r.What)
		}
		return 0
	}
	if err != nil {
		fmt.Fprintf(progress, "lwa-bench: %v; see: lwa-bench --help\n", err)
		return 2
	}
	t, err := measure(ctx, o, progress)
	if err == nil && o.json {
		err = t.writeJSON(out)
	} else if err == nil {
		err = t.write(out)
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		fmt.Fprintf(progress, "lwa-bench: %v\n", err)
		return 1
	}
	return 0
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("lwa-bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.long, "long", false, "")
	flags.Func("only", "", func(text string) error {
		for name := range strings.SplitSeq(text, ",") {
			if !slices.ContainsFunc(allRows(), func(r row) bool { return name != "" && strings.HasPrefix(r.Name, name) }) {
				return errors.New("there is no such name")
			}
			o.only = append(o.only, name)
		}
		return nil
	})
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, err
}
