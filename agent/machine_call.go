package agent

// call is the call in flight; kind decides what its answer means.
type call struct {
	id   uint64 // 0: none
	kind callKind
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
	m.inCall = call{m.calls, kind}
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
	kind := m.inCall.kind
	m.inCall = call{}
	if kind == callRefresh || kind == callProve || kind == callImport {
		m.tally.count(ev.err)
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
