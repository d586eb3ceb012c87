package agent

import (
	"strings"
	"time"

	"lwa-agent/lwa"
)

// problemUnproven is a sign-in whose first refresh Amazon refused.
const problemUnproven = "unproven"

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
}

func (p livePair) isLive() bool { return !p.isZero() }

// shown reports whether a person can use the pair now.
func (p livePair) shown(now time.Duration) bool { return p.isLive() && now < p.Expires }

func (m *machine) offersPair() bool { return m.offering() && m.set.method == MethodCBL }

// resumePair goes on with the pair on disk: somebody may be signing in with
// it. Not with one of another boot, since nobody knows how old that is, nor
// with one that was made for another client.
func (m *machine) resumePair() {
	p := m.rec.Pair
	if p.isZero() || !m.offersPair() || p.BootID == "" || p.BootID != m.set.bootID || p.MadeFor != m.set.pairKey() {
		return
	}
	m.pair = livePair{pair: p, interval: p.Interval, nextPoll: m.now + p.Interval}
}

// pairKey tells pairs apart that were made with other settings.
func (s settings) pairKey() string {
	c := s.client
	text := strings.Join(append([]string{c.ID, c.Endpoints.CodePair, c.Endpoints.Token, c.ProductID, c.SerialNumber}, c.Scopes...), "\n")
	return lwa.NewSecret(text).Hash()
}

func (m *machine) made(ev answered) {
	if ev.err != nil {
		m.raiseError(sourceLink, ev.err)
		m.newPair = m.newPair.failed(m.now, ev.err, 0, m.rng)
		return
	}
	p := pair{Pair: ev.pair, BootID: m.set.bootID, MadeFor: m.set.pairKey(), Expires: ev.sent + ev.pair.Life}
	next := m.rec
	next.Pair = p
	m.saveAhead(next, func(problem string) {
		if problem != "" {
			m.newPair = m.newPair.failed(m.now, &lwa.Error{}, 0, m.rng) // not shown: its tokens could not be kept
			return
		}
		m.rec = next
		m.pair = livePair{pair: p, interval: p.Interval, nextPoll: m.now + p.Interval}
		m.newPair = at(m.nextPair(ev.sent))
		m.pairsWork()
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
		m.pairsWork()
	case lwa.SlowDown:
		m.pair.interval = lwa.SlowedDown(m.pair.interval)
		m.pair.nextPoll = m.now + max(m.pair.interval, ev.err.RetryAfter)
	case lwa.Passing:
		m.raiseError(sourceLink, ev.err)
	case lwa.Configuration:
		m.raiseError(sourceLink, ev.err)
		m.pair = livePair{}
		m.newPair = m.newPair.failed(m.now, ev.err, 0, m.rng)
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

// pairsWork clears a problem of asking Amazon, and leaves what a person did
// there: that is to be read beside the next code.
func (m *machine) pairsWork() {
	switch m.problems[sourceLink].Code {
	case "access_denied", problemUnproven:
	default:
		m.clear(sourceLink)
	}
}

// endPair makes way for the next pair. One that was refused at once is not
// followed by a request at once.
func (m *machine) endPair() {
	made := m.pair.Expires - m.pair.Life
	m.newPair = at(max(m.nextPair(made), made+m.pair.Interval))
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
