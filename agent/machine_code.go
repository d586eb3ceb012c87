package agent

import (
	"time"

	"lwa-agent/lwa"
)

const (
	// A code that provably never left the device is tried again for as long as
	// Amazon lets a code live.
	codeLife = 5 * time.Minute

	// A local program that drops codes in a loop must not get the client id of
	// a whole fleet throttled.
	codeEvery  = 2 * time.Second
	codesLimit = 10
	codesSpan  = 10 * time.Minute
)

// heldCode is the one code that is being tried: handed in, then recorded (its
// hash is on disk), then exchanged.
type heldCode struct {
	code     lwa.Secret
	attempt  lwa.Attempt
	file     droppedFile // zero unless it was dropped
	question uint64      // 0 unless somebody waits for "taken"
	config   string      // hash of the text in config.toml that it comes from, if it does

	seen     time.Duration // uptime when it was handed in
	due      time.Duration // when to try it next
	failures int
	recorded bool
}

func (h heldCode) isHeld() bool                   { return !h.code.IsZero() }
func (h heldCode) isReady(now time.Duration) bool { return h.isHeld() && now >= h.due }

func (m *machine) tooManyCodes() bool {
	return len(m.sent) >= codesLimit && m.now-m.sent[len(m.sent)-codesLimit] < codesSpan
}

func (m *machine) hold(d lwa.Drop, h heldCode) {
	h.code = d.Code
	h.attempt, _ = m.attemptFor(d)
	h.seen, h.due = m.now, m.now
	if n := len(m.sent); n > 0 {
		h.due = max(m.now, m.sent[n-1]+codeEvery)
	}
	m.code = h
	if m.inCall.id != 0 || h.due > m.now {
		m.replyTaken(done, Problem{}) // now: another call or the rate limit may hold it for longer than a client waits
	}
}

func (m *machine) replyTaken(o outcome, p Problem) {
	if m.code.question != 0 {
		m.do(reply{question: m.code.question, outcome: o, problem: p})
		m.code.question = 0
	}
}

// recordCode puts the code's hash on disk before the code goes out, so that it
// is not sent again whenever the power fails. If that cannot be written the
// code is not burnt.
func (m *machine) recordCode() {
	hash := m.code.code.Hash()
	next := m.rec.withCode(hash)
	if m.code.config != "" {
		next.ConfigCode = m.code.config
	}
	m.saveAhead(next, func(problem string) {
		if problem != "" {
			m.replyTaken(notSaved, m.problems[sourceStore])
			m.code = heldCode{} // its file is offered again
			m.offerDue = m.now + storeRetry
			return
		}
		m.rec = next
		m.replyTaken(done, Problem{})
		m.code.recorded = true
	})
}

// spend counts a code or a token that is sent.
func (m *machine) spend() {
	m.sent = append(m.sent, m.now)
	m.sent = m.sent[max(0, len(m.sent)-codesLimit):]
}

func (m *machine) startExchange() {
	m.spend()
	m.start(callExchange, func(id uint64) effect { return exchange{id, m.code.code, m.code.attempt} })
	m.do(note{"code received, asking Amazon", ""})
}

func (m *machine) exchanged(ev answered) {
	if ev.err == nil {
		file := m.code.file
		m.finishLink(m.newLink(ev.token), ev.token, ev.sent, func(problem string) {
			m.code = heldCode{}
			result := "This device is now linked."
			if problem != "" {
				result += " But the link could not be saved and would not survive a power cut: " + problem
			}
			m.takeFile(file, result)
		})
		return
	}
	if ev.err.Unsent && m.now-m.code.seen < codeLife {
		m.tryCodeAgain(ev.err)
		return
	}
	m.codeSpent(ev.err)
}

// tryCodeAgain takes the code's hash off the disk again, since it never left:
// a restart before the next try must not count it as used.
func (m *machine) tryCodeAgain(err *lwa.Error) {
	m.raiseError(sourceLink, err)
	m.sent = m.sent[:len(m.sent)-1] // or an outage would use up the codes that a person may try
	m.code.recorded = false
	m.code.failures++
	m.code.due = m.now + max(backoffBase, upTo(backoffBase<<min(m.code.failures, 5), m.rng))
	m.code.due = min(m.code.due, m.code.seen+codeLife)
	next := m.rec.withoutCode(m.code.code.Hash())
	if next.ConfigCode == m.code.config {
		next.ConfigCode = ""
	}
	m.save(next, func(problem string) {
		if problem == "" {
			m.rec = next
		}
	})
}

// codeSpent gives a code up. The QR code stays good unless Amazon refused the
// code itself: then a new attempt replaces it, and the old one is still
// accepted once.
func (m *machine) codeSpent(err *lwa.Error) {
	m.clear(sourceLink) // the same again is news: it is about another code
	m.raiseError(sourceLink, err)
	result := sentence(err.Message) + " " + sentence(err.Hint)
	if err.Unsent {
		result = "There was no connection to Amazon while this code was good. Scan the QR code again."
	} else if err.Kind == lwa.Passing {
		result = sentence(err.Message) + " A code is good once, so scan the QR code again; it is the same one."
	}
	m.takeFile(m.code.file, result)
	m.do(note{"code not accepted", err.Code})
	attempt := m.code.attempt
	m.code = heldCode{}
	if err.Kind == lwa.Spent && attempt == m.rec.Attempts[0] { // a code of the one before says nothing about what is shown now
		m.rec.Attempts[0], m.rec.Attempts[1] = lwa.Attempt{}, m.rec.Attempts[0]
		m.offerDue = m.now
	}
}
