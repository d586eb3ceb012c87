package main

import (
	"context"
	"fmt"
	"os"

	"lwa-agent/cmd/internal/cli"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/cmd/internal/simulated"
	"lwa-agent/display"
	"lwa-agent/lwa/lwatest"
)

// rehearse is Amazon alone, at a port of this machine, until ctx ends: for the
// agent that is installed here, and a person who tries the set-up with it. The
// port is the person's choice, so that a rehearsal goes on after a reboot.
func rehearse(ctx context.Context, streams cli.Streams, port uint) error {
	visits := make(chan visit, 16)
	sim, err := openAmazon(ctx, fmt.Sprintf("127.0.0.1:%d", port), lwatest.Options{PairInterval: playPolling}, thinking, func(v visit) { give(ctx, visits, v) })
	if err != nil {
		return err
	}
	defer sim.close()
	p := &play{out: streams.Out, amazon: sim}
	if f, ok := streams.Out.(*os.File); ok {
		p.cells = display.CellsOf(f, streams.Env)
	}
	p.print(rehearsal, sim.url, simulated.Endpoints(sim.url), lwatest.DeviceClientID, lwatest.WebClientID, lwatest.WebClientSecret, config.DefaultRedirect, port)
	for {
		select {
		case v := <-visits:
			p.say("Amazon", visitText(v))
		case <-ctx.Done():
			return nil
		}
	}
}

const rehearsal = `A simulated Amazon is at %s until Ctrl-C, for this machine alone.
Write this into /etc/lwa-agent/config.toml, then run sudo lwa-agent setup:

%s
Client ids that it knows, with what else belongs to them:

1  Other devices and platforms
   %s
2  Web settings
   %s
   %s
   %s

You are signed in there as Jo Example. To press Allow in a browser on another
computer, run this there first: ssh -L %[7]d:localhost:%[7]d DEVICE
Once this has ended, it has forgotten every link. To go over to Amazon, take the
lines of [endpoints] out again, and run setup with a client id of your own.

`
