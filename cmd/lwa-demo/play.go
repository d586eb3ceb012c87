package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/cli"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/display"
	"lwa-agent/lwa/lwatest"
)

const (
	// playTokenLife lets a refresh be seen every 10 to 15 s.
	playTokenLife = 20 * time.Second

	// playPolling is how soon after Allow a code pair is done; Amazon has 30 s.
	playPolling = 5 * time.Second

	// thinking is what the token endpoint takes to answer: Amazon's takes 0.3 to
	// 2.2 s, and steps that take no time are not seen.
	thinking = 500 * time.Millisecond
)

// play is the demo with a person at the terminal. One goroutine, run's, owns it.
type play struct {
	out    io.Writer
	cells  display.Cells // of out
	amazon *amazon
	device *device
	person person
	done   chan func() // see later

	status  agent.Status // the newest
	known   bool         // there was one
	life    time.Duration
	offered string // the link that was shown last
	said    string // the event that was told last
	invited bool   // it was said what can be tried once linked
}

// playAlong shows the journey to a person who takes part in it, until ctx ends.
// Tokens live for life.
func playAlong(ctx context.Context, streams cli.Streams, method string, life time.Duration) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	visits := make(chan visit, 16)
	options := lwatest.Options{TokenLife: life, PairInterval: playPolling}
	sim, err := openAmazon(ctx, anyPort, options, thinking, func(v visit) { give(ctx, visits, v) })
	if err != nil {
		return err
	}
	defer sim.close()
	d, err := newDevice(streams.Env("TMPDIR"), sim.url, method)
	if err != nil {
		return err
	}
	p := &play{out: streams.Out, life: life, amazon: sim, device: d, person: newPerson(), done: make(chan func())}
	if f, ok := streams.Out.(*os.File); ok {
		p.cells = display.CellsOf(f, streams.Env)
	}
	defer func() { err = errors.Join(err, p.end()) }()
	if err := d.start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	p.welcome()
	return p.run(ctx, d.socket().Follow(ctx, reconnectEvery), visits, lines(ctx, streams.In))
}

// give sends unless ctx ends first.
func give[T any](ctx context.Context, to chan<- T, value T) bool {
	select {
	case to <- value:
		return true
	case <-ctx.Done():
		return false
	}
}

// lines sends what is typed or pasted. Its last read may outlive ctx.
func lines(ctx context.Context, in io.Reader) <-chan string {
	typed := make(chan string)
	go func() {
		scan := bufio.NewScanner(in)
		for scan.Scan() && give(ctx, typed, strings.TrimSpace(scan.Text())) {
		}
	}()
	return typed
}

func (p *play) run(ctx context.Context, updates <-chan socket.Update, visits <-chan visit, typed <-chan string) error {
	for {
		select {
		case u := <-updates:
			if u.Err == nil { // it may be starting
				p.see(u.Status)
			}
		case v := <-visits:
			p.say("Amazon", visitText(v))
		case text := <-typed:
			p.take(ctx, text)
		case then := <-p.done:
			then()
		case <-p.device.agent.ended:
			if err := p.restart(ctx); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// see tells what is new in a status.
func (p *play) see(s agent.Status) {
	if p.known {
		for _, text := range news(p.status, s) {
			p.say("agent", text)
		}
	}
	p.status, p.known = s, true
	p.offer()
	if s.State == agent.Linked && s.Account != "" && !p.invited {
		p.invited = true
		p.invite()
	}
}

// take does what was typed: a word of the demo's, or a code for the device.
func (p *play) take(ctx context.Context, text string) {
	switch strings.ToLower(text) {
	case "":
	case "allow":
		offer := p.status
		p.later(ctx, func() func() {
			back, err := p.person.allow(ctx, offer)
			return func() { p.allowed(back, err) }
		})
	case "remove":
		if p.status.State != agent.Linked {
			p.say("demo", "there is nothing to remove: the device is not linked")
			return
		}
		p.amazon.RemoveApp()
		p.say("Amazon", "the app was removed; the agent finds out at its next refresh")
	default:
		p.later(ctx, func() func() {
			_, err := p.device.socket().Ask(ctx, http.MethodPost, "/code", text)
			return func() { p.handedIn(err) }
		})
	}
}

// later does what waits for others: run must go on listening to them. What do
// returns is for run to call.
func (p *play) later(ctx context.Context, do func() func()) {
	go func() { give(ctx, p.done, do()) }()
}

func (p *play) allowed(back string, err error) {
	switch {
	case err != nil:
		p.say("demo", err.Error())
	case back != "":
		p.bringBack(back)
	}
}

func (p *play) handedIn(err error) {
	if err != nil {
		p.say("agent", err.Error())
	}
}

// restart starts an agent anew that was killed or told to end, as systemd would.
// One that could not go on would not get further the next time.
func (p *play) restart(ctx context.Context) error {
	state := p.device.agent.ProcessState
	if state.ExitCode() > 0 {
		return fmt.Errorf("the agent ended with %s; its log ends:\n%s", state, p.device.logTail())
	}
	if err := p.device.start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	p.say("demo", fmt.Sprintf("the agent ended (%s); started again, as systemd would: process %d", state, p.device.agent.Process.Pid))
	return nil
}

func (p *play) end() error {
	err := errors.Join(p.device.stop(), p.device.remove())
	if err == nil {
		fmt.Fprintf(p.out, "\nThe agent has ended, and %s is removed.\n", p.device.dir)
	}
	return err
}
