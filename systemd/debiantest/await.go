package debiantest

import (
	"fmt"
	"testing"
	"time"

	"lwa-agent/agent"
)

// An Observer looks at a machine again and again.
type Observer struct {
	T     testing.TB
	Every time.Duration
	Ended <-chan struct{} // closed when the machine has ended
	Last  func() string   // what a failure is explained with, of a machine that may have ended
}

// Await looks until something is done. What is in the way at the end is part of
// the failure.
func (o Observer) Await(limit time.Duration, what string, done func() (ok bool, inTheWay string)) {
	o.T.Helper()
	look := time.NewTicker(o.Every)
	defer look.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		ok, inTheWay := done()
		if ok {
			return
		}
		select {
		case <-look.C:
		case <-o.Ended:
			o.T.Fatalf("waiting for %s: the machine ended\n%s", what, o.Last())
		case <-end.C:
			o.T.Fatalf("waited %v for %s: %s\n%s", limit, what, inTheWay, o.Last())
		}
	}
}

// AwaitStatus asks until the status is as wanted, and returns it.
func (o Observer) AwaitStatus(limit time.Duration, what string, ask func() (agent.Status, error), wanted func(agent.Status) bool) agent.Status {
	o.T.Helper()
	var last agent.Status
	o.Await(limit, what, func() (bool, string) {
		s, err := ask()
		if err != nil {
			return false, err.Error()
		}
		last = s
		return wanted(s), fmt.Sprintf("it is %s, reason %q, last error %+v, displays %+v", s.State, s.Reason, s.LastError, s.Displays)
	})
	return last
}
