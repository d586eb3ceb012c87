package agent

import (
	"math"
	"math/rand/v2"
	"time"

	"lwa-agent/lwa"
)

const (
	never = time.Duration(math.MaxInt64)

	backoffBase = time.Second
	backoffCap  = 10 * time.Minute

	// While a token lives, the longest wait is a quarter of what is left of
	// it, so that several tries fit in; but not below this.
	livingCap = time.Minute

	// After so many refusals in a row the server is told no more than once in
	// backoffCap that we are there.
	refusalLimit = 5

	// What only a person can mend is tried again this often all the same: they
	// may have mended it at Amazon's side.
	configurationRetry = 15 * time.Minute

	// A network that came up, or a clock that was set, shortens a wait to a
	// random part of the one, once in the other.
	hopeSpread = 10 * time.Second
	hopeEvery  = time.Minute
)

// schedule is when one kind of call is due and how often it failed.
type schedule struct {
	due      time.Duration // uptime; never: not wanted
	failures int           // passing ones, in a row
	refusals int           // of these, answers of the server
	waiting  bool          // due was set by a failure
	firm     bool          // the server asked for the wait
	person   bool          // only a person can mend it
}

func idle() schedule { return schedule{due: never} }

func at(due time.Duration) schedule { return schedule{due: due} }

// failed plans the next try: full jitter (each wait a random part of a growing
// limit), which spreads a fleet better than any other rule. living is what is
// left of a token in use.
func (s schedule) failed(now time.Duration, err *lwa.Error, living time.Duration, rng *rand.Rand) schedule {
	if err.Kind == lwa.Configuration {
		return schedule{due: now + configurationRetry, waiting: true, person: true}
	}
	s.waiting, s.person = true, false
	s.firm = err.Code == "server" || err.RetryAfter > 0
	s.failures++
	if err.Code == "server" {
		s.refusals++
	} else {
		s.refusals = 0
	}
	limit := min(backoffBase<<min(s.failures, 20), backoffCap)
	if living > 0 {
		limit = min(limit, max(livingCap, living/4))
	}
	wait := max(backoffBase, upTo(limit, rng))
	if s.refusals >= refusalLimit && living == 0 {
		wait = backoffCap
	}
	if err.RetryAfter > 0 {
		wait = max(wait, err.RetryAfter+upTo(err.RetryAfter, rng))
	}
	s.due = now + wait
	return s
}

// sooner brings a wait for the network forward. What the server asked for or
// a person has to mend, a network that comes does not change.
func (s schedule) sooner(due time.Duration) schedule {
	if s.waiting && !s.firm && !s.person {
		s.due = min(s.due, due)
	}
	return s
}

// attended brings any wait forward but one that the server asked for: a person
// is here, and may just have mended what was wrong.
func (s schedule) attended(now time.Duration) schedule {
	if !s.firm {
		s.due = min(s.due, now)
	}
	return s
}

// upTo returns a random duration from 0 to limit.
func upTo(limit time.Duration, rng *rand.Rand) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(rng.Int64N(int64(limit)))
}
