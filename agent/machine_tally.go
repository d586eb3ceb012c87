package agent

import (
	"time"

	"lwa-agent/lwa"
)

// refreshTally is what came of the refreshes since the start.
type refreshTally struct {
	refreshes [tallied]uint64 // by outcome
	last      time.Duration   // uptime when the newest token was asked for; -1: none in this boot
}

// The outcomes of refreshes.
const (
	refreshWorked = iota
	refreshPassing
	refreshMisconfigured
	refreshRevoked
	tallied
)

func (t *refreshTally) count(err *lwa.Error) {
	outcome := refreshWorked
	if err != nil {
		switch err.Kind {
		case lwa.Spent:
			outcome = refreshRevoked
		case lwa.Configuration:
			outcome = refreshMisconfigured
		case lwa.Passing, lwa.Pending, lwa.SlowDown:
			outcome = refreshPassing
		}
	}
	t.refreshes[outcome]++
}
