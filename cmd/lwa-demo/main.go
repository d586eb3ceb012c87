// Command lwa-demo is the whole journey of a device on one machine, with
// nothing to register: a simulated Amazon, and the real agent in a directory
// of its own, as a process of its own.
//
// Without options a person plays along: opens the link, hands in the code,
// kills the agent, removes the app. With --auto the demo plays the person too
// and ends within 20 seconds. With --amazon there is the simulated Amazon alone,
// for an agent that is installed. It promises nothing about secrets: the account is
// made up, and what links to it is printed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/cli"
)

// agentCommand as the first argument makes this program the agent, so that the
// agent is a process that can be killed, and needs no build of its own.
const agentCommand = "agent"

const usage = `usage: lwa-demo [--cbl | --auto | --amazon PORT]

Shows how a device is linked to an Amazon account, its token kept fresh and
handed out: with a simulated Amazon, on this machine, until Ctrl-C.

  --cbl    link by code-based linking instead of the authorize URL
  --auto   play the person as well, both ways, and end: 0 when all went well

  --amazon PORT
           only the simulated Amazon, at a port of this machine, for the agent that
           is installed here: to rehearse a set-up without registering anything
`

func main() {
	streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	var status int
	if isAgent(os.Args) {
		status = cli.Main(ctx, os.Args[2:], streams)
	} else {
		status = run(ctx, os.Args[1:], streams)
	}
	stop()
	os.Exit(status)
}

func isAgent(args []string) bool { return len(args) > 1 && args[1] == agentCommand }

// run returns the exit status: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, streams cli.Streams) int {
	flags := flag.NewFlagSet("lwa-demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	auto := flags.Bool("auto", false, "")
	cbl := flags.Bool("cbl", false, "")
	port := flags.Uint("amazon", 0, "")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(streams.Out, usage)
		return 0
	case err == nil && flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case err == nil && *auto && *cbl:
		err = errors.New("--auto shows both ways to link; leave --cbl out")
	case err == nil && *port > 0 && (*auto || *cbl):
		err = errors.New("--amazon is for an agent that is there already; leave --auto and --cbl out")
	}
	if err != nil {
		fmt.Fprintf(streams.Err, "lwa-demo: %v; see: lwa-demo --help\n", err)
		return 2
	}
	switch {
	case *port > 0:
		err = rehearse(ctx, streams, *port)
	case *auto:
		err = playStory(ctx, streams)
	case *cbl:
		err = playAlong(ctx, streams, agent.MethodCBL, playTokenLife)
	default:
		err = playAlong(ctx, streams, agent.MethodCode, playTokenLife)
	}
	if err != nil {
		fmt.Fprintf(streams.Err, "lwa-demo: %v\n", err)
		return 1
	}
	return 0
}
