package agent

import (
	"slices"
	"time"

	"lwa-agent/lwa"
)

const (
	// refusedEvery bounds what programs can make us do by reporting tokens.
	refusedEvery = time.Minute

	// refreshGap holds for whatever lives a server gives its tokens.
	refreshGap = 500 * time.Millisecond
)

// ask is a program's question that waits for a refresh.
type ask struct {
	question uint64
	minValid time.Duration
	deadline time.Duration
}

func (m *machine) tokenAsked(ev tokenAsked) {
	m.asks = append(m.asks, ask{ev.question, ev.minValid, m.now + ev.patience})
	if m.linked() && !m.satisfies(ev.minValid) {
		m.wantRefresh()
	}
}

func (m *machine) satisfies(minValid time.Duration) bool {
	return m.access.enough(m.now, minValid) && !m.reported
}

// wantRefresh makes the next refresh due because somebody waits for it, but
// never against a backoff: a thousand programs asking in an outage must not
// become a thousand requests.
func (m *machine) wantRefresh() {
	switch {
	case m.refresh.waiting:
	case m.spreading:
		m.refresh.due = min(m.refresh.due, m.now+upTo(m.set.bootSpread/60, m.rng))
		m.spreading = false // shortened once
	default:
		m.refresh.due = min(m.refresh.due, max(m.now, m.renewed+refreshGap))
	}
}

// settleAsks replies to every question whose answer is known: a token that is
// good enough, or no hope of one before the deadline.
func (m *machine) settleAsks() {
	if m.saving != nil {
		return // what is being saved may be the answer
	}
	m.asks = slices.DeleteFunc(m.asks, func(a ask) bool {
		r := reply{question: a.question}
		coming := m.inCall.kind == callRefresh && m.inCall.id != 0 || m.refresh.due <= a.deadline
		switch {
		case !m.linked():
			r.outcome, r.problem = notLinked, m.notLinkedProblem()
		case m.satisfies(a.minValid):
		case coming && m.now < a.deadline:
			return false
		case m.access.left(m.now) > 0:
			// Still valid, and the best there is.
		default:
			r.outcome, r.problem = noToken, m.noTokenProblem()
			r.wait = min(max(time.Second, m.refresh.due-m.now), time.Hour)
		}
		m.do(r)
		return true
	})
}

// tokenRefused refreshes at once when an API refused the token in use, however
// young that is: revocation shows there first.
func (m *machine) tokenRefused(ev tokenRefused) {
	defer func() { m.do(reply{question: ev.question, outcome: done}) }()
	if !m.linked() || m.access.Token.IsZero() || ev.token != m.access.Token || m.reported {
		return
	}
	if m.refresh.waiting {
		return // no better one is to be had, so this one still goes out at once
	}
	if next := m.lastReport + refusedEvery; m.lastReport >= 0 && m.now < next {
		if m.refresh.due > next { // when the minute is over; until then the token still goes out
			m.refresh.due, m.lastReport = next, next
		}
		return
	}
	m.lastReport = m.now
	m.reported = true
	m.refresh.due = m.now
}

func (m *machine) noTokenProblem() Problem {
	p := m.problems[sourceRefresh]
	if p.Code == "" {
		p = Problem{Code: "no_token", Message: "there is no valid access token now", Hint: "a refresh is under way; ask again"}
	}
	return p
}

func (m *machine) notLinkedProblem() Problem {
	message := "the device is not linked: " + m.reason()
	if m.reason() == neverLinked {
		message = "the device is not linked yet"
	}
	return Problem{Code: "not_linked", Message: message, Hint: "link it: lwa-agent link"}
}

// renewal is a random point between 50 and 75 % of the life: early enough for
// an outage, and no two devices at the same second for ever.
func (m *machine) renewal(life time.Duration) time.Duration {
	return life/2 + upTo(life/4, m.rng)
}

// use takes an access token over. sent is when its life began.
func (m *machine) use(t lwa.Token, sent time.Duration) {
	scopes := t.Scopes
	if scopes == "" {
		scopes = m.rec.Link.Scopes
	}
	m.access = access{Token: t.Access, Expires: sent + t.Life, Life: t.Life, Scopes: scopes}
	m.refresh = at(max(sent+m.renewal(t.Life), m.renewed+refreshGap))
	m.tally.last = sent
	m.reported, m.spreading = false, false
	m.clear(sourceRefresh)
	m.do(keepAccess{m.access})
}

// withdraw forgets the access token: it is no longer this account's.
func (m *machine) withdraw() {
	m.access = access{}
	m.reported = false
	m.account = idle()
	m.do(keepAccess{})
}
