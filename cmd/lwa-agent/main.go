// Command lwa-agent links a headless device to an Amazon account and keeps its
// access token fresh.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"lwa-agent/cmd/internal/cli"
)

func main() {
	// Never stopped: the process ends, and that is soonest.
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	status := cli.Main(ctx, os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv})
	os.Exit(status)
}
