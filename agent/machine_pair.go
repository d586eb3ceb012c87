package agent

import (
	"time"

	"lwa-agent/lwa"
)

const (
	// For the first day somebody is likely to come back to the box; after that
	// a code is shown for its ten minutes in each hour, so that a million
	// forgotten devices do not ask Amazon for ever.
	attendedFor     = 24 * time.Hour
	unattendedEvery = time.Hour
)

// livePair is the code pair that is shown and polled for.
type livePair struct {
	pair
	interval time.Duration
	nextPoll time.Duration
	checked  bool // Amazon has said that it waits for this pair
}

func (p livePair) isLive() bool { return !p.isZero() }

// shown reports whether a person can use the pair now.
func (p livePair) shown(now time.Duration) bool { return p.isLive() && p.checked && now < p.Expires }

func (m *machine) offersPair() bool { return m.offering() && m.set.method == MethodCBL }

// resumePair goes on with the pair on disk: somebody may have signed in with
// it while we were away. One of another boot may be old, so it is not shown
// before Amazon has said that it still waits for it.
func (m *machine) resumePair() {
	p := m.rec.Pair
	if p.isZero() || !m.offersPair() {
		return
	}
	m.pair = livePair{pair: p, interval: p.Interval, nextPoll: m.now + p.Interval, checked: true}
	if p.BootID == "" || p.BootID != m.set.bootID {
		m.pair.Expires = m.now + p.Life
		m.pair.nextPoll = m.now
		m.pair.checked = false
	}
}

func (m *machine) made(ev answered) {
	if ev.err != nil {
		m.raiseError(sourceLink, ev.err)
		m.make = m.make.failed(m.now, ev.err, 0, m.rng)
		return
	}
	p := pair{Pair: ev.pair, BootID: m.set.bootID, Expires: ev.sent + ev.pair.Life}
	next := m.rec
	next.Pair = p
	m.save(next, func(problem string) {
		if problem != "" {
			m.make = at(m.now + storeRetry) // not shown: its tokens could not be kept
			return
		}
		m.rec = next
		m.pair = livePair{pair: p, interval: p.Interval, nextPoll: m.now + p.Interval, checked: true}
		m.make = at(m.nextPair(ev.sent))
		if m.problems[sourceLink].Code != "access_denied" {
			m.clear(sourceLink)
		}
		m.do(note{"a link by code is offered", ""})
	})
}

// nextPair is when to make the pair after one made at the given time.
func (m *machine) nextPair(made time.Duration) time.Duration {
	if m.now-m.seen < attendedFor {
		return m.now
	}
	return made + unattendedEvery
}

func (m *machine) polled(ev answered) {
	if ev.err == nil {
		m.pairAccepted(ev.token)
		return
	}
	expired := m.now >= m.pair.Expires
	m.pair.nextPoll = m.now + max(m.pair.interval, ev.err.RetryAfter)
	switch ev.err.Kind {
	case lwa.Pending:
		m.pair.checked = true
		if m.problems[sourceLink].Code != "access_denied" {
			m.clear(sourceLink)
		}
	case lwa.SlowDown:
		m.pair.checked = true
		m.pair.interval = lwa.SlowedDown(m.pair.interval)
		m.pair.nextPoll = m.now + max(m.pair.interval, ev.err.RetryAfter)
	case lwa.Passing:
		m.raiseError(sourceLink, ev.err)
	case lwa.Configuration:
		m.raiseError(sourceLink, ev.err)
		m.pair = livePair{}
		m.make = m.make.failed(m.now, ev.err, 0, m.rng)
		return
	case lwa.Spent:
		expired = true
		if ev.err.Code == "access_denied" {
			m.raiseError(sourceLink, ev.err)
		}
	}
	if expired {
		m.endPair()
	}
}

// endPair makes way for the next pair. One that was refused at once is not
// followed by a request at once.
func (m *machine) endPair() {
	made := m.pair.Expires - m.pair.Life
	m.make = at(max(m.nextPair(made), made+m.pair.Interval))
	if !m.pair.checked {
		m.make = at(m.now) // it was made long ago
	}
	m.pair = livePair{}
}

// pairAccepted keeps the tokens at once, for the pair is used up, but calls
// the device linked only after a refresh: with a client id of the wrong kind
// all goes well until there.
func (m *machine) pairAccepted(t lwa.Token) {
	next := m.rec
	next.Candidate, next.Pair = m.newLink(t), pair{}
	m.pair = livePair{}
	m.save(next, func(problem string) {
		m.adopt(next, problem)
		m.prove = at(m.now)
		m.do(note{"signed in, proving the link", ""})
	})
}
