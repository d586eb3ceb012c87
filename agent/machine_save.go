package agent

import (
	"errors"
	"io/fs"
	"time"
)

// What could not be saved is saved again after storeRetry, then after twice as
// long each time: a disk that fails is not worn out by it.
const (
	storeRetry     = 30 * time.Second
	storeRetryMost = 10 * time.Minute
)

// save asks for next to be written; then runs with the outcome, and until it
// has run nothing else is decided.
func (m *machine) save(next record, then func(problem string)) {
	m.saving = then
	m.do(save{record: next, serial: m.renumber})
}

// saveAhead is save for what comes before a link: the record of a code, an
// offer. Where a link could not be kept none is asked for.
func (m *machine) saveAhead(next record, then func(problem string)) {
	m.saving = then
	m.do(save{record: next, ahead: true, serial: m.renumber})
}

// saveFor saves for somebody who asked: what cannot be saved is not done.
func (m *machine) saveFor(question uint64, s save, then func()) {
	s.serial = m.renumber
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
	if ev.problem == "" { // all of the record, and so whatever was not saved before
		m.renumber = ""
		m.unsaved, m.resaves = false, 0
		m.clear(sourceStore)
	} else {
		m.raiseStore(ev.problem, ev.hint)
	}
	then(ev.problem)
}

const (
	storeKeyHint   = "make the key again as encrypt.conf in /usr/share/doc/lwa-agent/examples says, then: systemctl restart lwa-agent"
	storeOwnerHint = "give the file to the agent's user (chown, chmod 600), then: systemctl restart lwa-agent"
)

// foundOnDisk tells what was wrong with the records at the start; why is trouble
// on a line.
func (m *machine) foundOnDisk(trouble error, why string) {
	code, hint := "store_damaged", "link the device again"
	switch {
	case trouble == nil:
		return
	case errors.Is(trouble, errStoreKey):
		code, hint = "store_key", storeKeyHint
	case m.linked():
		hint = "nothing needs to be done: the copy before it is in use"
	case errors.Is(trouble, errUndecryptable):
		code, hint = "store_undecryptable", "give the agent that key again (store-key) and restart it, and the link is taken up; or link the device again"
	case errors.Is(trouble, fs.ErrPermission):
		hint = storeOwnerHint // the link is there, and another could not be saved
	}
	m.raise(sourceDamage, code, why, hint)
}

func (m *machine) raiseStore(problem, hint string) {
	m.raise(sourceStore, "store", "the state directory cannot be written: "+problem, hint)
}

// heardOfDisk shows what a look at the state directory has found, so that a
// person hears of it before he signs in; once it is mended, nothing waits.
func (m *machine) heardOfDisk(news diskNews) {
	switch {
	case news.problem != "" && m.problems[sourceStore].Code == "": // else a save has told more
		m.raiseStore(news.problem, news.hint)
	case news.mended:
		m.clear(sourceStore)
		m.resave, m.offerDue = min(m.resave, m.now), min(m.offerDue, m.now)
	}
}

// adopt takes next over although it may not be on the disk: it holds a link,
// and a link in memory is better than none. The status says that a power cut
// would lose it, and the save is repeated.
func (m *machine) adopt(next record, problem string) {
	m.rec, m.unsaved = next, problem != ""
	if m.unsaved {
		m.resave = m.now + min(storeRetry<<min(m.resaves, 10), storeRetryMost)
		m.resaves++
	}
}

func (m *machine) resaved(problem string) {
	if problem == "" {
		m.do(note{"link saved", ""})
	}
	m.adopt(m.rec, problem)
}
