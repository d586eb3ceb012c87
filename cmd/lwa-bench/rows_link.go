package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/lwa/lwatest"
)

const (
	rowDropNewline = "drop-newline"
	rowDropOther   = "drop-other"
	rowSignIn      = "sign-in"

	newlineRuns = 30
	otherRuns   = 16
	// dropAfter is how long a device offers its link before the file is dropped:
	// it has to be idle.
	dropAfter = 60 * time.Millisecond
)

// drops measures how soon a dropped address goes out to Amazon: from the end of
// close or rename, in turn, to the request's header at the server.
func (b *bench) drops(ctx context.Context) error {
	measure := func(runs int, end string, tls bool) (figure, error) {
		var took []time.Duration
		for i := range runs {
			one, err := b.drop(ctx, end, tls, i%2 == 0)
			if err != nil {
				return figure{}, err
			}
			took = append(took, one)
		}
		return summarize(milliseconds(took), ""), nil
	}
	newline, err := measure(newlineRuns, "\n", false)
	if err != nil {
		return err
	}
	secure, err := measure(newlineRuns/3, "\n", true)
	if err != nil {
		return err
	}
	other, err := measure(otherRuns, "", false)
	if err != nil {
		return err
	}
	newline.Note = fmt.Sprintf("from the return of close(2), or of rename(2) in every second run, to the request's header at the server; "+
		"each run a new device; by TLS%s: %s ms.", b.authority.among(), number(*secure.Median))
	other.Note = "the same for a file that does not end in a newline."
	b.found(rowDropNewline, newline)
	b.found(rowDropOther, other)
	return nil
}

func (b *bench) drop(ctx context.Context, end string, tls, rename bool) (time.Duration, error) {
	d, err := b.newDevice(ctx, deviceOptions{method: agent.MethodCode, tls: tls})
	if err != nil {
		return 0, err
	}
	if err := d.start(ctx); err != nil {
		return 0, err
	}
	offer, err := d.until(ctx, socket.Offers)
	if err != nil {
		return 0, err
	}
	back, err := d.amazon.Allow(offer.AuthorizeURL)
	if err != nil {
		return 0, err
	}
	if err := pause(ctx, dropAfter); err != nil {
		return 0, err
	}
	path := filepath.Join(d.inbox, "address.txt")
	first := path
	if rename {
		first = filepath.Join(d.inbox, ".address") // passed over by the agent
	}
	if err := os.WriteFile(first, []byte(back+end), 0o600); err != nil {
		return 0, err
	}
	if rename {
		if err := os.Rename(first, path); err != nil {
			return 0, err
		}
	}
	dropped := time.Now()
	var took time.Duration
	select {
	case at := <-d.amazon.posts:
		took = at.Sub(dropped)
	case <-time.After(patience):
		return 0, d.explain(errors.New("the dropped code does not arrive"))
	}
	if _, err := d.until(ctx, socket.Named); err != nil {
		return 0, err
	}
	return took, d.end()
}

const (
	signInInterval = 5 * time.Second
	signInWorst    = 4 // devices whose person is as unlucky as can be
	signInOther    = 4 // devices whose person presses at other moments
)

// signIn measures how long a person who pressed Allow waits for the device to
// know. It asks every 5 s, so the worst moment is just after it has asked.
func (b *bench) signIn(ctx context.Context) error {
	var (
		all          sync.WaitGroup
		mu           sync.Mutex // guards what follows
		worst, other []time.Duration
		said         int
		failure      error
	)
	for i := range signInWorst + signInOther {
		all.Go(func() {
			after := time.Duration(0)
			if i >= signInWorst {
				after = signInInterval * time.Duration(2*(i-signInWorst)+1) / (2 * signInOther)
			}
			took, poll, err := b.signInOnce(ctx, after)
			mu.Lock()
			defer mu.Unlock()
			failure = errors.Join(failure, err)
			said = max(said, poll)
			if i < signInWorst {
				worst = append(worst, took)
			} else {
				other = append(other, took)
			}
		})
	}
	all.Wait()
	if failure != nil {
		return failure
	}
	spread := summarize(milliseconds(other), "")
	b.found(rowSignIn, summarize(milliseconds(worst), fmt.Sprintf(
		"each run pressed Allow just after a poll, the worst moment, which is what the goal is for; at %d moments evenly between polls: median %s ms. "+
			"The status says beforehand that it may take %d s (poll_seconds).", signInOther, number(*spread.Median), said)))
	return nil
}

// signInOnce presses Allow so long after a poll was answered, and returns how
// long it took from then to "linked", and how long the device said it may take.
func (b *bench) signInOnce(ctx context.Context, after time.Duration) (took time.Duration, said int, err error) {
	d, err := b.newDevice(ctx, deviceOptions{method: agent.MethodCBL, Options: lwatest.Options{PairInterval: signInInterval}})
	if err != nil {
		return 0, 0, err
	}
	if err := d.start(ctx); err != nil {
		return 0, 0, err
	}
	offer, err := d.until(ctx, socket.Offers)
	if err != nil {
		return 0, 0, err
	}
	select {
	case <-d.amazon.posts: // the first poll
	case <-time.After(2 * signInInterval):
		return 0, 0, d.explain(errors.New("the device does not poll"))
	}
	if err := pause(ctx, 20*time.Millisecond+after); err != nil { // it has its answer by now
		return 0, 0, err
	}
	pressed := time.Now()
	if err := d.amazon.AllowPair(offer.UserCode); err != nil {
		return 0, 0, err
	}
	linked := func(s agent.Status) bool { return s.State == agent.Linked }
	if _, err := d.until(ctx, linked); err != nil {
		return 0, 0, err
	}
	took = time.Since(pressed)
	if _, err := d.until(ctx, socket.Named); err != nil {
		return 0, 0, err
	}
	return took, offer.PollSeconds, d.end()
}
