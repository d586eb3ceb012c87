package agent

import (
	"cmp"
	"strings"
	"time"

	"lwa-agent/lwa"
)

// source is where a problem comes from; it is mended when that works again.
type source uint8

const (
	sourceConfig     source = iota
	sourceConfigCode        // code = in it
	sourceStore
	sourceDamage // what was found on the disk at the start
	sourceLink
	sourceRefresh
	sourceInbox   // a file that was refused
	sourceWatch   // the inbox itself
	sourceConsume // a file that could not be removed
	sourceTokenFile
	sourcePage // the link page
	sources    = iota
)

func (m *machine) raise(s source, code, message, hint string) {
	m.raiseProblem(s, Problem{Code: code, Message: message, Hint: hint})
}

func (m *machine) raiseError(s source, err *lwa.Error) {
	message, hint := err.Message, err.Hint
	if err.Code == "clock" {
		message, hint = m.aboutClock(err)
	}
	m.raise(s, err.Code, message, hint)
}

// raiseProblem shows p until its source works again. The same problem again is
// no news: it keeps its time.
func (m *machine) raiseProblem(s source, p Problem) {
	old := m.problems[s]
	if old.Code == p.Code && old.Message == p.Message && old.Hint == p.Hint {
		return
	}
	m.problems[s], m.raised[s] = p, m.now
	m.do(warning{p})
}

func (m *machine) clear(s source) { m.problems[s] = Problem{} }

// show raises what a refusal tells, or clears its source when there is none.
func (m *machine) show(s source, code string, r refusal) {
	if r == (refusal{}) {
		m.clear(s)
		return
	}
	m.raise(s, code, r.Path+": "+r.Message, r.Hint)
}

func (m *machine) accessKept(ev accessKept) {
	if ev.problem == "" {
		m.clear(sourceTokenFile)
		return
	}
	m.raise(sourceTokenFile, "token_file", "the access token cannot be left for other programs: "+ev.problem,
		"use a path below /run/lwa-agent, or allow another with ReadWritePaths= (systemctl edit lwa-agent)")
}

// lastError is the newest problem that is not mended.
func (m *machine) lastError() *Problem {
	var newest *Problem
	var when time.Duration = -1
	for s, p := range m.problems {
		if p.Code != "" && m.raised[s] >= when {
			when = m.raised[s]
			p.At = m.wall(when)
			newest = &p
		}
	}
	return newest
}

const neverLinked = "not linked yet"

// reason says in a sentence why the device is not linked, or what is going on.
func (m *machine) reason() string {
	switch {
	case m.code.isHeld():
		return "a code was received; asking Amazon"
	case m.imported.isHeld():
		return "a refresh token was handed in; asking Amazon"
	case m.candidate() && m.prove.waiting:
		return "signed in, but the link is not proven yet"
	case m.candidate():
		return "signed in; proving the link"
	case m.linked() && m.unsaved:
		return "the link is not saved and would not survive a power cut"
	case m.linked() && m.rec.Relinking:
		return "a new link is offered; the old one stays in use until the new one works"
	case m.linked() && m.access.left(m.now) == 0:
		return "linked, but there is no valid access token now"
	case m.linked():
		return ""
	case m.foreign():
		return "the link that is kept is of another client id or token endpoint, and is used again with those"
	case m.revoked():
		return "removed in the Amazon account"
	case m.problems[sourceDamage].Code == "store_undecryptable":
		return "the link on the disk is encrypted with a key that is not there"
	case m.problems[sourceDamage].Code != "":
		return "the link on the disk cannot be read"
	case m.unlinkReason != "":
		return m.unlinkReason
	default:
		return neverLinked
	}
}

func (m *machine) state() string {
	switch {
	case m.linked():
		return Linked
	case m.candidate() && m.prove.person:
		return Unlinked
	case m.code.isHeld(), m.imported.isHeld(), m.candidate():
		return Linking
	default:
		return Unlinked
	}
}

// status is what everybody may know.
func (m *machine) status() Status {
	s := Status{
		State: m.state(), Reason: m.reason(), Method: m.set.method,
		CodePending: m.code.isHeld() || m.imported.isHeld() || m.candidate() && m.state() != Unlinked, SerialNumber: m.set.client.SerialNumber,
		LastError: m.lastError(), Clock: m.clock(), StoreWrites: m.writes,
		Warnings: m.warnings(),
	}
	if m.linked() {
		l := m.rec.Link
		s.Account, s.LinkedSince = l.Account, &l.Since
		s.Scopes = strings.Fields(cmp.Or(m.access.Scopes, l.Scopes))
		if m.access.left(m.now) > 0 {
			s.ExpiresAt = m.time(m.access.Expires)
		}
		if m.refresh.due != never {
			s.NextRefresh = m.time(m.refresh.due) // past while it is under way: a time that moves is news to everybody
		}
	}
	if m.offering() && m.set.method == MethodCode && !m.code.isHeld() && !m.imported.isHeld() && m.rec.Attempts[0].State != "" {
		m.offerAuthorize(&s)
	}
	if m.offersPair() {
		m.addPair(&s)
	}
	if m.offering() {
		s.LinkPage = m.doors.LinkPage
	}
	return s
}

// warnings tells of a card or a disk that was copied, or moved to another
// board. It is never a reason to refuse: boards are swapped when one breaks.
func (m *machine) warnings() (all []Warning) {
	if l := m.rec.Link; m.linked() && l.Board != "" && m.set.board != "" && l.Board != m.set.board {
		all = append(all, Warning{
			"other_board", "this link was made on another device, and if both use it, either can lose it",
			"if the card was copied: lwa-agent unlink here, and link again; if the board was exchanged, nothing, or: lwa-agent relink",
		})
	}
	return all
}

func (m *machine) addPair(s *Status) {
	switch {
	case m.pair.shown(m.now):
		s.UserCode, s.VerificationURI = m.pair.UserCode, m.pair.VerificationURI
		s.LinkExpiresAt = m.time(m.pair.Expires)
		s.PollSeconds = int(m.pair.interval / time.Second)
	case !m.pair.isLive() && m.newPair.due > m.now && !m.newPair.waiting:
		s.NextLinkAt = m.time(m.newPair.due)
	}
}

func (m *machine) time(uptime time.Duration) *time.Time {
	t := m.wall(uptime).Truncate(time.Second)
	return &t
}
