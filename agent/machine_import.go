package agent

import (
	"fmt"
	"time"

	"lwa-agent/lwa"
)

// heldImport is a refresh token that another program has had, handed in to be
// proven by a refresh. Nothing is replaced before that, and nothing of it is on
// the disk: whoever handed it in still has it.
type heldImport struct {
	token    lwa.Secret
	serial   string // the serial number that the account knows the device by; empty: unknown
	question uint64
	due      time.Duration
	room     bool // a save has shown that the link could be kept
}

func (h heldImport) isHeld() bool { return !h.token.IsZero() }

func (m *machine) importAsked(ev importAsked) {
	if o, p := m.judgeImport(ev); o != done {
		m.do(reply{question: ev.question, outcome: o, problem: p})
		return
	}
	m.imported = heldImport{token: ev.token, serial: ev.serial, question: ev.question, due: m.now}
	if n := len(m.sent); n > 0 {
		m.imported.due = max(m.now, m.sent[n-1]+codeEvery)
	}
}

// judgeImport decides about a token without asking Amazon.
func (m *machine) judgeImport(ev importAsked) (outcome, Problem) {
	client := m.set.client
	switch {
	case ev.clientID != "" && ev.clientID != client.ID:
		return conflict, Problem{
			Code: "other_client", Message: fmt.Sprintf("the token was given to the client id %s, and this device is set up for %s", ev.clientID, client.ID),
			Hint: "set that one up first: sudo lwa-agent setup",
		}
	case ev.serial != "" && m.set.serial != "" && ev.serial != m.set.serial:
		return conflict, Problem{
			Code: "other_serial", Message: fmt.Sprintf("the token was given to the serial number %s, and config.toml says %s", ev.serial, m.set.serial),
			Hint: "write that one into config.toml, or remove serial_number from it",
		}
	case m.linked() && !ev.replace:
		return conflict, Problem{
			Code: "linked", Message: "this device is linked already" + m.toAccount(),
			Hint: "to replace that link once the token is proven: lwa-agent import --replace",
		}
	case m.imported.isHeld() || m.code.isHeld() || m.candidate():
		return conflict, Problem{Code: "busy", Message: "another link is being tried", Hint: "wait a moment and try again"}
	case m.tooManyCodes():
		return tooMany, Problem{Code: "too_many_codes", Message: "too many codes and tokens in ten minutes", Hint: "wait a few minutes and try again"}
	case m.problems[sourceStore].Code != "":
		return notSaved, m.problems[sourceStore]
	}
	return done, Problem{}
}

// findRoom makes sure of the disk before Amazon is asked: its answer may be the
// only copy of a new refresh token, and the end of the old one.
func (m *machine) findRoom() {
	m.saveAhead(m.rec, func(problem string) {
		if problem != "" {
			m.dropImport(notSaved, m.problems[sourceStore])
			return
		}
		m.imported.room = true
	})
}

func (m *machine) startImport() {
	m.spend()
	m.start(callImport, func(id uint64) effect { return refresh{id, m.imported.token} })
	m.do(note{"a refresh token was handed in, asking Amazon", ""})
}

// importProved makes the token the link in use, with the one that replaced it
// if Amazon gave a new one.
func (m *machine) importProved(ev answered) {
	if ev.err != nil {
		m.importFailed(ev.err)
		return
	}
	l := m.newLink(ev.token)
	if l.Refresh.IsZero() {
		l.Refresh = m.imported.token
	}
	m.renumber = m.imported.serial
	m.finishLink(l, ev.token, ev.sent, func(problem string) {
		if problem != "" {
			m.dropImport(notSaved, m.problems[sourceStore])
			return
		}
		m.dropImport(done, Problem{})
	})
}

func (m *machine) importFailed(err *lwa.Error) {
	p := Problem{Code: err.Code, Message: err.Message, Hint: err.Hint}
	o := bad
	switch err.Kind {
	case lwa.Spent:
		p.Message = "Amazon refuses this refresh token: it is of another client id, or the app was removed in the Amazon account"
		p.Hint = "check client_id in config.toml, or link the device: lwa-agent link"
	case lwa.Configuration:
	case lwa.Passing, lwa.Pending, lwa.SlowDown:
		if err.Code == "clock" {
			p.Message, _ = m.aboutClock(err)
		}
		o, p.Hint = noToken, "nothing was changed; try again in a moment"
		if err.Unsent {
			m.sent = m.sent[:len(m.sent)-1] // or an outage would use up the tries
		}
	}
	m.do(note{"refresh token not accepted", err.Code})
	m.dropImport(o, p)
}

// dropImport answers who handed the token in, and forgets it.
func (m *machine) dropImport(o outcome, p Problem) {
	if !m.imported.isHeld() {
		return
	}
	m.dropCall(callImport)
	m.do(reply{question: m.imported.question, outcome: o, problem: p, wait: time.Second})
	m.imported = heldImport{}
}

func canceled(why string) Problem {
	return Problem{Code: "canceled", Message: why, Hint: "hand it in again"}
}
