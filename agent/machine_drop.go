package agent

import (
	"fmt"
	"slices"
	"strings"

	"lwa-agent/lwa"
)

// verdict is what becomes of a text that was handed in.
type verdict struct {
	outcome outcome
	problem Problem
	keep    bool // a dropped file stays where it is
}

func (m *machine) codePosted(ev codePosted) {
	if _, known := m.attemptFor(ev.drop); ev.stranger && (!known || ev.drop.State == "") {
		m.do(reply{question: ev.question, outcome: bad, problem: foreignState})
		return
	}
	v := m.judge(ev.drop)
	if v.outcome == done && !m.holds(ev.drop) {
		m.hold(ev.drop, heldCode{question: ev.question})
		return
	}
	if v.problem.Code == "access_denied" {
		m.raiseProblem(sourceLink, v.problem)
	}
	m.do(reply{question: ev.question, outcome: v.outcome, problem: v.problem})
}

// inboxChecked tries the files that hold a code and shows the first reason
// for which one stays where it is.
func (m *machine) inboxChecked(ev inboxChecked) {
	m.taken = slices.DeleteFunc(m.taken, func(f droppedFile) bool {
		return !slices.ContainsFunc(ev.offers, func(o droppedCode) bool { return o.File == f })
	})
	refused, code := ev.refused, "drop_refused"
	for _, offer := range ev.offers {
		if p := m.codeDropped(offer); p.Code != "" && refused == (refusal{}) {
			refused, code = refusal{offer.File.path(), p.Message, p.Hint}, p.Code
		}
	}
	m.show(sourceInbox, code, refused)
	m.show(sourceWatch, "inbox", ev.trouble)
}

// codeDropped returns why the file stays for a person to look at, if it does.
func (m *machine) codeDropped(o droppedCode) Problem {
	if m.holds(o.Drop) || slices.Contains(m.taken, o.File) {
		return Problem{} // the same file seen again, or a copy whose turn comes, or one that cannot be removed
	}
	v := m.judge(o.Drop)
	switch {
	case v.outcome == done && m.problems[sourceStore].Code != "" && m.now < m.offerDue:
		return m.problems[sourceStore] // its turn comes when the disk is tried again
	case v.outcome == done:
		m.hold(o.Drop, heldCode{file: o.File})
	case v.problem.Code == "linked" && m.rec.tried(o.Drop.Code.Hash()):
		m.takeFile(o.File, sentence("this device is linked"+m.toAccount())) // a copy of what linked it
	case v.outcome == tooMany:
		m.raiseProblem(sourceLink, v.problem)
	case v.outcome == conflict && v.keep:
		// It is offered again.
	case v.keep:
		return v.problem
	default:
		if v.problem.Code != "linked" {
			m.raiseProblem(sourceLink, v.problem)
		}
		m.takeFile(o.File, v.problem.Sentences())
	}
	return Problem{}
}

func (m *machine) takeFile(file droppedFile, result string) {
	if file != (droppedFile{}) {
		m.taken = append(m.taken, file)
		m.do(take{file, strings.TrimSpace(result)})
	}
}

// tryConfigCode tries what stands behind code = in config.toml, each value
// once, ever.
func (m *machine) tryConfigCode() {
	if m.set.code.IsZero() || m.code.isHeld() || m.rec.tried(m.set.code.Hash()) || m.set.method != MethodCode {
		return
	}
	drop, err := lwa.ParseDrop([]byte(m.set.code.Reveal()))
	if err != nil {
		m.raise(sourceConfigCode, "config", "code in the configuration: "+err.Error(), "paste the whole address that the browser ended on")
		return
	}
	if v := m.judge(drop); v.outcome == done {
		m.hold(drop, heldCode{config: m.set.code.Hash()})
	} else if v.outcome == bad && v.problem.Code != "tried" {
		v.problem.Message = "code in the configuration: " + v.problem.Message
		m.raiseProblem(sourceConfigCode, v.problem)
	}
}

var foreignState = Problem{ //nolint:gochecknoglobals // a constant
	Code: "foreign_state", Message: "this address is from another QR code or another device", Hint: "scan the QR code that this device shows now",
}

// judge decides about a text without changing anything.
func (m *machine) judge(d lwa.Drop) verdict {
	attempt, known := m.attemptFor(d)
	refuse := func(o outcome, keep bool, code, message, hint string) verdict {
		return verdict{o, Problem{Code: code, Message: message, Hint: hint}, keep}
	}
	switch {
	case m.linked() && !m.rec.Relinking:
		return refuse(conflict, false, "linked", "this device is linked already"+m.toAccount(), "to link it anew: lwa-agent relink")
	case m.set.method != MethodCode:
		return refuse(bad, false, "method", "this device links by the code on its screen and needs none handed in", "scan the QR code and sign in; that is all")
	case d.Error == "" && !m.holds(d) && m.rec.tried(d.Code.Hash()):
		return refuse(bad, false, "tried", "this code was tried before, and a code is good once", "scan the QR code again")
	case !known:
		return verdict{bad, foreignState, true}
	case d.Error != "":
		return refuse(bad, false, d.Error, refusalAtAmazon(d), "scan the QR code again and allow the device")
	case m.holds(d):
		return verdict{}
	case m.code.isHeld() || m.imported.isHeld():
		return refuse(conflict, true, "busy", "another code is being tried", "wait a moment and try again")
	case m.tooManyCodes():
		return refuse(tooMany, true, "too_many_codes", "too many codes in ten minutes", "wait a few minutes, then scan the QR code again")
	case attempt.State == "" && m.problems[sourceStore].Code != "":
		return verdict{notSaved, m.problems[sourceStore], true}
	case attempt.State == "":
		return refuse(conflict, true, "not_ready", "the link is not ready yet", "wait a moment and try again")
	}
	return verdict{}
}

// refusalAtAmazon is an error= address in words (RFC 6749 section 4.1.2.1).
func refusalAtAmazon(d lwa.Drop) string {
	switch {
	case d.Error == "access_denied":
		return "the person who signed in pressed Cancel"
	case d.ErrorDescription != "":
		return fmt.Sprintf("Amazon refused the sign-in: %s (%s)", d.Error, d.ErrorDescription)
	default:
		return "Amazon refused the sign-in: " + d.Error
	}
}

// attemptFor finds the attempt of a drop: by its state, else the newest.
func (m *machine) attemptFor(d lwa.Drop) (lwa.Attempt, bool) {
	if d.State == "" {
		return m.rec.Attempts[0], true
	}
	for _, a := range m.rec.Attempts {
		if a.State != "" && a.Matches(d.State) {
			return a, true
		}
	}
	return lwa.Attempt{}, false
}

func (m *machine) holds(d lwa.Drop) bool { return m.code.isHeld() && m.code.code == d.Code }

func (m *machine) toAccount() string {
	if a := m.rec.Link.Account; a != "" {
		return " to " + a
	}
	return ""
}
