package agent

import "time"

// plan does what has become due: at most one save or one call.
func (m *machine) plan() {
	m.followHope(&m.network)
	m.followHope(&m.clockMoved)
	if m.saving == nil && !m.stopping {
		m.planSave()
	}
	if m.saving == nil && m.inCall.id == 0 && !m.stopping {
		m.planCall()
	}
	m.settleAsks()
}

// planSave starts the save that something waits for. Offers come last: the
// codes for an older offer must not wait for a new one.
func (m *machine) planSave() {
	switch {
	case m.unsaved && m.now >= m.resave:
		m.save(m.rec, m.resaved)
	case m.code.isReady(m.now) && !m.code.recorded && m.inCall.id == 0:
		m.recordCode()
	case m.imported.isHeld() && !m.imported.room && m.now >= m.imported.due && m.inCall.id == 0:
		m.findRoom()
	case m.now >= m.offerDue:
		m.planOffer()
	}
}

// planCall starts the most urgent call: what a person waits for goes before
// what a program waits for, and that before what nobody waits for.
func (m *machine) planCall() {
	switch {
	case m.code.recorded:
		m.startExchange()
	case m.imported.room:
		m.startImport()
	case m.candidate() && m.due(m.prove):
		m.start(callProve, func(id uint64) effect { return refresh{id, m.rec.Candidate.Refresh} })
	case (m.linked() || m.revoked()) && m.due(m.refresh):
		m.renewed = m.now
		m.start(callRefresh, func(id uint64) effect { return refresh{id, m.rec.Link.Refresh} })
	case m.offersPair() && m.pair.isLive() && m.now >= m.pair.nextPoll:
		m.start(callPoll, func(id uint64) effect { return poll{id, m.pair.Pair} })
	case m.offersPair() && !m.pair.isLive() && m.due(m.newPair):
		m.start(callMake, func(id uint64) effect { return createPair{id} })
	case m.linked() && m.access.left(m.now) > 0 && m.due(m.account):
		m.start(callProfile, func(id uint64) effect { return profile{id, m.access.Token} })
	}
}

func (m *machine) due(s schedule) bool { return m.now >= s.due }

// deadline is the uptime at which step must be called again at the latest.
func (m *machine) deadline() time.Duration {
	next := m.ticked + tickIdle
	if m.offering() {
		next = m.ticked + tickOffer
	}
	consider := func(wanted bool, due time.Duration) {
		if wanted {
			next = min(next, due)
		}
	}
	free := m.inCall.id == 0
	consider(free, m.network.due())
	consider(free, m.clockMoved.due())
	consider(m.unsaved, m.resave)
	consider(m.offering() && m.offerDue > m.now, m.offerDue)
	consider(free && m.code.isHeld(), m.code.due)
	consider(free && m.imported.isHeld(), m.imported.due)
	consider(free && m.candidate(), m.prove.due)
	consider(free && (m.linked() || m.revoked()), m.refresh.due)
	consider(free && m.linked() && m.access.left(m.now) > 0, m.account.due)
	consider(free && m.offersPair() && m.pair.isLive(), m.pair.nextPoll)
	consider(m.access.left(m.now) > 0, m.access.Expires)
	consider(m.pair.isLive() && m.pair.Expires > m.now, m.pair.Expires)
	consider(free && m.offersPair() && !m.pair.isLive(), m.newPair.due)
	for _, a := range m.asks {
		consider(true, a.deadline)
	}
	return max(next, m.now)
}
