package main

import (
	"context"
	"fmt"
	"time"

	"lwa-agent/lwa/lwatest"
)

const (
	rowTokenRate = "token-rate"
	rowWorn      = "memory-worn"

	crowdClients = 16
	crowdTotal   = 1_000_000
	crowdWithin  = 30 * time.Second // or the machine is too slow for the total

	// The agent makes at most two refreshes a second, whatever the lives of the
	// tokens, and most of the wear is waiting for them.
	wornShort = 20 * time.Second
	wornLong  = 10_000 // refreshes

	settled = 10 * time.Second // after which a process counts as idle
)

// wear is one agent that is used hard, and what it weighed before.
type wear struct {
	bench  *bench
	device *device
	since  time.Time // it is linked
	before memory
	total  int // hand-outs
}

func newWear(b *bench) *wear { return &wear{bench: b} }

func (w *wear) prepare(ctx context.Context) (err error) {
	w.device, err = w.bench.startLinked(ctx, deviceOptions{tls: true})
	w.since = time.Now()
	return err
}

// handOut is a million hand-outs, which also tell how many there can be.
func (w *wear) handOut(ctx context.Context) (err error) {
	if err := pause(ctx, time.Until(w.since.Add(settled))); err != nil {
		return err
	}
	if w.before, err = w.device.core.memory(); err != nil {
		return err
	}
	within := crowdWithin
	if w.bench.long {
		within = time.Hour
	}
	total, took, err := w.device.crowd(ctx, crowdClients, crowdTotal, within)
	if err != nil {
		return err
	}
	w.total = total
	w.bench.found(rowTokenRate, single(float64(total)/took.Seconds(), total,
		fmt.Sprintf("%d connections that are kept, for %.0f s; all clients are one thread of this program, on the same processors.", crowdClients, took.Seconds())))
	return nil
}

// refresh wears it on, lets it come to rest and weighs it again.
func (w *wear) refresh(ctx context.Context) error {
	if !w.bench.wants(rowWorn) {
		return w.device.end()
	}
	w.device.amazon.Change(func(o *lwatest.Options) { o.TokenLife = time.Second; o.Rotate = true })
	token, err := w.device.accessToken(ctx)
	if err != nil {
		return err
	}
	if err := w.device.post(ctx, "/refused", token); err != nil { // or the first would come in half an hour
		return err
	}
	done := func() int { return w.device.amazon.Count(lwatest.Refresh) }
	for began := time.Now(); w.bench.long && done() < wornLong || !w.bench.long && time.Since(began) < wornShort; {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	w.device.amazon.Change(func(o *lwatest.Options) { o.TokenLife = time.Hour })
	refreshes := done()
	if err := pause(ctx, settled); err != nil {
		return err
	}
	after, err := w.device.core.memory()
	if err != nil {
		return err
	}
	note := fmt.Sprintf("RSS %s MB, of it anonymous %s, before; %s and %s after %s hand-outs and %s refreshes with rotation, by TLS, %s at rest.",
		megabytes(w.before.rss), megabytes(w.before.anonymous), megabytes(after.rss), megabytes(after.anonymous),
		thousands(w.total), thousands(refreshes), settled)
	if !w.bench.long {
		note += " The goal is for 1,000,000 and 10,000: the agent makes at most two refreshes a second, so that takes 90 minutes (--long)."
	}
	w.bench.found(rowWorn, single(float64(after.rss-w.before.rss)/1e6, 1, note))
	return w.device.end()
}

func megabytes(bytes int64) string { return number(float64(bytes) / 1e6) }
