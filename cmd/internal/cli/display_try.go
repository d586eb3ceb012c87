package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/panel"
)

const (
	// cardHeld is for how long each picture of a test is to be seen.
	cardHeld = 4 * time.Second

	// cardWithin is how long a driver may take for one picture. E-paper needs 5 s.
	cardWithin = time.Minute

	// cardText is what the code of the test holds. Capitals make a small one.
	cardText = "LWA-AGENT: THIS CAN BE READ"
)

// card is a picture of a test.
type card struct {
	name   string
	screen display.Screen
}

// cards are the pictures of a test: the edges, a code, and every screen with
// words that are nobody's.
func cards(now time.Time) []card {
	soon := now.Add(10 * time.Minute)
	pair := agent.Status{
		State: agent.Unlinked, Reason: "this is a test", Method: agent.MethodCBL, UserCode: "TESTED",
		VerificationURI: "https://amazon.com/us/code", PollSeconds: 5, LinkExpiresAt: &soon,
	}
	return []card{
		{"edges", display.Screen{
			Kind: display.Working, Title: "Edges", Frame: true, Open: "A line along all four edges, and this text upright.",
			Brief: display.Brief{Open: "4 edges, upright"},
		}},
		{"code", display.Screen{
			Kind: display.Offer, Title: "Test", Payloads: []display.Payload{{Name: "test text", Text: cardText}},
			Scan: "Scan this: it must read", Open: "No code fits here.", Address: cardText,
		}},
		{"waiting", screenFor(pair, now)},
		{"code received", screenFor(agent.Status{State: agent.Unlinked, CodePending: true}, now)},
		{"asking Amazon", screenFor(agent.Status{State: agent.Linking}, now)},
		{"linked", screenFor(agent.Status{State: agent.Linked, Account: "Test", LinkedSince: &now}, now)},
		{"something wrong", screenFor(agent.Status{State: agent.Unlinked, LastError: &agent.Problem{
			Code: "network", Message: "this is a test: nothing is wrong", Hint: "do nothing",
		}}, now)},
	}
}

// tryDisplays draws the cards on all displays at once and says what can be seen.
func (a *app) tryDisplays(ctx context.Context, displays []panel.Config) error {
	if _, err := os.Stat("/run/lwa-agent-display"); err == nil { // there while the unit runs
		a.say("lwa-agent-display.service draws on them too: for an undisturbed test, systemctl stop lwa-agent-display")
	}
	var (
		tries  sync.WaitGroup
		mu     sync.Mutex
		failed bool
	)
	for _, t := range targetsFor(displays) {
		tries.Go(func() {
			say := func(format string, args ...any) {
				mu.Lock()
				defer mu.Unlock()
				a.say(t.name()+": "+format, args...)
			}
			t.opened = func(c panel.Config) {
				mu.Lock()
				defer mu.Unlock()
				t.driver, t.device = c.Driver, c.Device
			}
			if err := try(ctx, t, say); err != nil {
				say("%s", oneLine(err))
				mu.Lock()
				failed = true
				mu.Unlock()
			}
		})
	}
	tries.Wait()
	if failed {
		return errQuiet
	}
	return nil
}

// try draws the cards on one display. A driver that hangs is left behind.
func try(ctx context.Context, t *target, say func(string, ...any)) error {
	if t.fault != nil {
		return t.fault
	}
	var d display.Display
	if err := within(func() (err error) { d, err = t.open(); return err }); err != nil {
		return err
	}
	for _, c := range cards(time.Now()) {
		began := time.Now()
		var shows string
		if err := within(func() (err error) { shows, err = d.Draw(c.screen); return err }); err != nil {
			if !errors.Is(err, errHangs) { // which has the driver to itself
				_ = within(d.Close) // what does not take a picture does not end well either
			}
			return fmt.Errorf("%s: %w", c.name, err)
		}
		say("%s, drawn in %v: %s", c.name, time.Since(began).Round(time.Millisecond), shows)
		if !pause(ctx, cardHeld) {
			break
		}
	}
	return within(d.Close)
}

// within makes a call to a driver, which may never return, and waits for it so long.
func within(call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	timer := time.NewTimer(cardWithin)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%w within %v; is it connected and switched on?", errHangs, cardWithin)
	}
}

var errHangs = errors.New("the display does not answer")
