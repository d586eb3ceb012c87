package agent

import (
	"context"

	"lwa-agent/lwa"
)

// HandIn takes a code, or an address with one in it, as POST /code does. It
// returns nil once the code is taken, which is before its outcome is known,
// and else why not. With needState a text without a state is refused: where
// anybody can send one, only that proves that it belongs to this device.
func (a *Agent) HandIn(ctx context.Context, text string, needState bool) *Problem {
	drop, err := lwa.ParseDrop([]byte(text))
	if err != nil {
		p := notACode(err)
		return &p
	}
	if needState && drop.State == "" {
		return &Problem{Code: "foreign_state", Message: "this address does not say which device it is for", Hint: "scan the QR code that this device shows now"}
	}
	r, err := a.ask(ctx, func(id uint64) event { return codePosted{id, drop} })
	switch {
	case err != nil:
		p := stoppingProblem()
		return &p
	case r.outcome == done:
		return nil
	}
	return &r.problem
}

// Attend tells that a person is here, so a device that had stopped to renew its
// code for nobody offers one now.
func (a *Agent) Attend() { a.tell(attended{}) }

// Doors is where browsers reach this device; see package linkpage.
type Doors struct {
	LinkPage string   // address of the page on the local network; empty: there is none
	Trouble  Problem  // why there is none although there should be
	Loopback Loopback // for a redirect to this device; zero: none
}

// DoorsChanged tells about the listeners for browsers.
func (a *Agent) DoorsChanged(d Doors) { a.tell(doorsChanged{d}) }
