package agent

import (
	"context"

	"lwa-agent/lwa"
)

// HandIn takes a code, or an address with one in it, as POST /code does. It
// returns nil once the code is taken, which is before its outcome is known,
// and else why not. From a stranger, who has not shown that they see the
// display, only an address with a state of this device's is taken, and whoever
// has none hears no more than that: a *Problem with the code "foreign_state".
func (a *Agent) HandIn(ctx context.Context, text string, stranger bool) *Problem {
	drop, err := lwa.ParseDrop([]byte(text))
	if err != nil {
		p := notACode(err)
		return &p
	}
	r, err := a.ask(ctx, func(id uint64) event { return codePosted{id, drop, stranger} })
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
