package agent

// call is the call in flight; kind decides what its answer means.
type call struct {
	id   uint64 // 0: none
	kind callKind
	kept bool // of a link that the configuration has left: a new refresh token is all that is wanted of it
}

type callKind uint8

const (
	callExchange callKind = iota
	callRefresh
	callProve
	callMake
	callPoll
	callProfile
	callImport
)

func (m *machine) start(kind callKind, effectFor func(id uint64) effect) {
	m.calls++
	m.inCall = call{id: m.calls, kind: kind}
	m.do(effectFor(m.calls))
}

// dropCall lets the answer of a call in flight fall when it is of one of the
// kinds: what it was for has changed.
func (m *machine) dropCall(kinds ...callKind) {
	for _, kind := range kinds {
		if m.inCall.id != 0 && m.inCall.kind == kind {
			m.do(cancel{m.inCall.id})
			m.inCall = call{}
			return
		}
	}
}

func (m *machine) answered(ev answered) {
	if !ev.date.IsZero() {
		m.setAmazonEpoch(ev.date.Add(-m.now))
	}
	if ev.call != m.inCall.id {
		return
	}
	kind, kept := m.inCall.kind, m.inCall.kept
	m.inCall = call{}
	if kind == callRefresh || kind == callProve || kind == callImport {
		m.tally.count(ev.err)
	}
	if kept {
		m.keepRotated(kind, ev)
		return
	}
	switch kind {
	case callExchange:
		m.exchanged(ev)
	case callRefresh:
		m.refreshed(ev)
	case callProve:
		m.proved(ev)
	case callMake:
		m.made(ev)
	case callPoll:
		m.polled(ev)
	case callProfile:
		m.profiled(ev)
	case callImport:
		m.importProved(ev)
	}
}

// keepCall lets the refresh of a link that does not fit the configuration any more
// end: at a server whose old refresh token is good no more, its answer is the only
// copy of the new one, and the configuration may be changed back.
func (m *machine) keepCall() {
	switch {
	case m.inCall.id == 0:
	case m.inCall.kind == callRefresh:
		m.inCall.kept = !m.fits(m.rec.Link)
	case m.inCall.kind == callProve:
		m.inCall.kept = !m.candidate()
	}
}

// keepRotated saves the new refresh token of a link that is kept and not used.
func (m *machine) keepRotated(kind callKind, ev answered) {
	if ev.err != nil || ev.token.Refresh.IsZero() {
		return
	}
	next := m.rec
	if kind == callProve {
		next.Candidate.Refresh = ev.token.Refresh
	} else {
		next.Link.Refresh = ev.token.Refresh
	}
	m.save(next, func(problem string) { m.adopt(next, problem) })
}
