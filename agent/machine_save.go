package agent

// save asks for next to be written; then runs with the outcome, and until it
// has run nothing else is decided.
func (m *machine) save(next record, then func(problem string)) {
	m.saving = then
	m.do(save{record: next})
}

// saveFor saves for somebody who asked: what cannot be saved is not done.
func (m *machine) saveFor(question uint64, s save, then func()) {
	m.saving = func(problem string) {
		if problem != "" {
			m.do(reply{question: question, outcome: notSaved, problem: m.problems[sourceStore]})
			return
		}
		m.rec = s.record
		then()
		m.do(reply{question: question, outcome: done})
	}
	m.do(s)
}

func (m *machine) saved(ev saved) {
	then := m.saving
	m.saving = nil
	m.writes = ev.writes
	if ev.problem == "" {
		m.clear(sourceStore)
	} else {
		m.raise(sourceStore, "store", "the state directory cannot be written: "+ev.problem, ev.hint)
	}
	then(ev.problem)
}

// adopt takes next over although it may not be on the disk: it holds a link,
// and a link in memory is better than none. The status says that a power cut
// would lose it, and the save is repeated.
func (m *machine) adopt(next record, problem string) {
	m.rec, m.unsaved = next, problem != ""
	m.resave = m.now + storeRetry
}

func (m *machine) resaved(problem string) {
	if problem == "" {
		m.do(note{"link saved", ""})
	}
	m.adopt(m.rec, problem)
}
