package agent

import (
	"slices"
	"strings"
	"time"

	"lwa-agent/lwa"
)

// linked reports whether there is a link in use: one of this client id and
// token endpoint that Amazon has not refused.
func (m *machine) linked() bool { return m.fits(m.rec.Link) && !m.rec.Link.Revoked }

// revoked reports whether Amazon refused the link. It is tried again a few
// times: a server that answers wrongly once must not cost a link.
func (m *machine) revoked() bool { return m.fits(m.rec.Link) && m.rec.Link.Revoked }

// candidate reports whether a new link waits for its proof.
func (m *machine) candidate() bool { return m.fits(m.rec.Candidate) }

// fits reports whether a link belongs to the configuration. One that does not
// is kept and not used.
func (m *machine) fits(l link) bool {
	return !l.isZero() && l.ClientID == m.set.client.ID && l.TokenEndpoint == m.set.client.Endpoints.Token
}

// revivals are the waits between tries with a revoked link.
var revivals = [...]time.Duration{time.Minute, 9 * time.Minute, 50 * time.Minute} //nolint:gochecknoglobals // a constant table

func (m *machine) refreshed(ev answered) {
	if ev.err != nil {
		m.refreshFailed(ev.err)
		return
	}
	next := m.rec
	next.Link.Revoked = false
	if !ev.token.Refresh.IsZero() {
		next.Link.Refresh = ev.token.Refresh
	}
	if ev.token.Scopes != "" {
		next.Link.Scopes = ev.token.Scopes
		m.watchScopes(m.rec.Link.Scopes, ev.token.Scopes)
	}
	revived := m.rec.Link.Revoked
	finish := func(problem string) {
		m.adopt(next, problem)
		m.use(ev.token, ev.sent)
		if revived {
			m.do(note{"linked again: the refusal was a mistake", ""})
			if !m.rec.Relinking {
				m.endPairs()
			}
		}
	}
	if next.Link == m.rec.Link && !m.unsaved {
		finish("")
		return
	}
	m.save(next, finish)
}

// watchScopes tells the log when a token is good for something else than the one
// before: what programs may do with it has changed, or it is somebody else's.
func (m *machine) watchScopes(before, after string) {
	old, now := strings.Fields(before), strings.Fields(after)
	slices.Sort(old)
	slices.Sort(now)
	if len(old) > 0 && !slices.Equal(old, now) {
		m.do(note{"the granted scopes are others than before", before + " -> " + after})
	}
}

func (m *machine) refreshFailed(err *lwa.Error) {
	m.reported = false // nothing better is to be had
	m.spreading = false
	if m.rec.Link.Revoked {
		m.revivalFailed(err)
		return
	}
	if err.Kind == lwa.Spent {
		next := m.rec
		next.Link.Revoked = true
		m.save(next, func(problem string) {
			m.adopt(next, problem)
			m.withdraw()
			m.revivalTries = 0
			m.refresh = at(m.now + revivals[0])
			m.raiseError(sourceRefresh, err)
			if !m.rec.Relinking {
				m.startOffer()
			}
		})
		return
	}
	m.refresh = m.refresh.failed(m.now, err, m.access.left(m.now), m.rng)
	m.raiseError(sourceRefresh, err)
	// Who waited has waited for this: what is still valid goes out now.
	for i := range m.asks {
		m.asks[i].deadline = m.now
	}
}

func (m *machine) revivalFailed(err *lwa.Error) {
	if err.Kind != lwa.Spent {
		m.refresh = m.refresh.failed(m.now, err, 0, m.rng)
		return
	}
	m.revivalTries++
	m.refresh = idle()
	if m.revivalTries < len(revivals) {
		m.refresh = at(m.now + revivals[m.revivalTries])
	}
}

// proved ends code-based linking: the first refresh worked, so the client id
// is of the right kind and the link will last.
func (m *machine) proved(ev answered) {
	if ev.err == nil {
		next := m.rec.Candidate
		if !ev.token.Refresh.IsZero() {
			next.Refresh = ev.token.Refresh
		}
		m.finishLink(next, ev.token, ev.sent, func(string) {})
		return
	}
	if ev.err.Kind != lwa.Spent {
		m.raiseError(sourceLink, ev.err)
		m.prove = m.prove.failed(m.now, ev.err, 0, m.rng)
		return
	}
	m.raise(sourceLink, problemUnproven, "Amazon took the sign-in back before the device could use it", "sign in again")
	next := m.rec
	next.Candidate = link{}
	m.save(next, func(problem string) {
		m.adopt(next, problem)
		m.newPair = at(m.now)
	})
}

// afterCrashes puts the calls that are due off after several starts that came to
// nothing: an answer may be what the agent dies of. Neither a program that asks
// nor a network that comes makes them sooner, or each start would.
func (m *machine) afterCrashes(crashes int) {
	const forgiven = 4 // kills, upgrades, a power supply on its way out
	if crashes <= forgiven {
		return
	}
	crashed := &lwa.Error{Kind: lwa.Passing, Code: "crashed"}
	for _, s := range []*schedule{&m.refresh, &m.prove, &m.newPair, &m.account} {
		later := schedule{failures: crashes - forgiven - 1}.failed(m.now, crashed, m.access.left(m.now), m.rng)
		later.firm = true
		if s.due < later.due {
			*s = later
		}
	}
}

// finishLink makes l the link in use, once it is saved. settle runs before
// anybody is told, with the words of the save's failure.
func (m *machine) finishLink(l link, t lwa.Token, sent time.Duration, settle func(problem string)) {
	if t.Scopes != "" {
		l.Scopes = t.Scopes
	}
	replaces := m.linked()
	next := m.rec
	next.Link, next.Candidate = l, link{}
	next.Attempts = [2]lwa.Attempt{}
	next.Pair, next.Relinking = pair{}, false
	m.save(next, func(problem string) {
		m.adopt(next, problem)
		settle(problem)
		m.clear(sourceLink)
		m.clear(sourceDamage)
		m.clear(sourceConfigCode)
		m.unlinkReason = ""
		m.endOffer()
		m.use(t, sent)
		if m.wantsAccount(l.Scopes) {
			m.account = at(m.now)
		}
		if replaces {
			m.do(note{"the new link takes the place of the old one", ""})
		}
	})
}

// endOffer stops what was under way for a link that is not wanted any more.
func (m *machine) endOffer() {
	m.endPairs()
	m.dropCall(callProve)
	m.prove = idle()
}

func (m *machine) endPairs() {
	m.dropCall(callMake, callPoll)
	m.pair = livePair{}
}

// newLink is a link as it was just given.
func (m *machine) newLink(t lwa.Token) link {
	return link{
		ClientID: m.set.client.ID, TokenEndpoint: m.set.client.Endpoints.Token,
		Refresh: t.Refresh, Scopes: strings.Join(m.set.client.Scopes, " "), Since: m.wall(m.now).Truncate(time.Second), Board: m.set.board,
	}
}

// wantsAccount reports whether the granted scopes let us ask whose account it
// is: the screen names it, so that a link to a stranger's account is seen.
func (m *machine) wantsAccount(scopes string) bool {
	return m.set.client.Endpoints.Profile != "" && slices.Contains(strings.Fields(scopes), "profile")
}

func (m *machine) profiled(ev answered) {
	if ev.err != nil {
		if ev.err.Kind == lwa.Passing && m.account.failures < 5 {
			m.account = m.account.failed(m.now, ev.err, 0, m.rng)
		} else {
			m.account = idle() // a name is not worth more
		}
		return
	}
	m.account = idle()
	if ev.account == "" || ev.account == m.rec.Link.Account {
		return
	}
	next := m.rec
	next.Link.Account = ev.account
	m.save(next, func(problem string) { m.adopt(next, problem) })
}
