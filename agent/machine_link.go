package agent

import (
	"net/url"
	"time"

	"lwa-agent/lwa"
)

// attendEvery bounds what somebody can make us do by saying that they are here.
const attendEvery = 10 * time.Second

// offering reports whether a way to link is shown, or would be if it could be
// made.
func (m *machine) offering() bool {
	return (!m.linked() || m.rec.Relinking) && !m.candidate()
}

// planOffer makes the attempt that a QR code is drawn from, and saves it first:
// an attempt that is not on disk would be lost by a power cut between scan and
// drop, and a state directory that cannot be written is found out before a
// code is burnt.
func (m *machine) planOffer() {
	if !m.offering() || m.set.method != MethodCode {
		return
	}
	if a := m.rec.Attempts[0]; a.State != "" && a.RedirectURI == m.set.client.RedirectURI {
		m.tryConfigCode()
		return
	}
	next := m.rec.withAttempt(lwa.NewAttempt(m.set.client.RedirectURI))
	m.saveAhead(next, func(problem string) {
		if problem != "" {
			m.offerDue = m.now + storeRetry
			return
		}
		m.rec = next
		m.do(note{"a link is offered", ""})
	})
}

// offerIn puts a new attempt into a record that is saved for an offer, so that
// who asked for the offer sees it with the reply.
func (m *machine) offerIn(r record) record {
	if m.set.method != MethodCode {
		return r
	}
	return r.withAttempt(lwa.NewAttempt(m.set.client.RedirectURI))
}

func (m *machine) relinkAsked(ev relinkAsked) {
	if !m.linked() && (!m.candidate() || !m.prove.person) {
		m.attend()
		m.do(reply{question: ev.question, outcome: done}) // a link is offered anyway
		return
	}
	next := m.rec
	next.Relinking = m.linked()
	next.Candidate = link{} // what it waits for, a new link does not need
	next.Pair = pair{}
	m.saveFor(ev.question, save{record: m.offerIn(next), ahead: true}, func() {
		m.dropCall(callProve)
		m.startOffer()
	})
}

func (m *machine) relinkCanceled(ev relinkCanceled) {
	next := m.rec
	next.Relinking, next.Candidate, next.Pair = false, link{}, pair{}
	if !m.linked() {
		m.do(reply{question: ev.question, outcome: conflict, problem: Problem{Code: "not_linked", Message: "the device is not linked, so there is no relink to end"}})
		return
	}
	m.saveFor(ev.question, save{record: next}, func() {
		m.dropCode("the new link was called off")
		m.endOffer()
		m.clear(sourceLink)
	})
}

func (m *machine) unlinkAsked(ev unlinkAsked) {
	next := record{Codes: m.rec.Codes, ConfigCode: m.rec.ConfigCode}
	m.saveFor(ev.question, save{record: m.offerIn(next), forget: true}, func() {
		m.dropCall(callRefresh, callProfile, callExchange)
		m.dropCode("the device was unlinked meanwhile")
		m.dropImport(conflict, canceled("the device was unlinked meanwhile"))
		m.endOffer()
		m.withdraw()
		m.refresh = idle()
		m.clear(sourceRefresh)
		m.clear(sourceLink)
		m.clear(sourceDamage)
		m.unlinkReason = "unlinked on the device"
		m.startOffer()
	})
}

// startOffer makes the first attempt or pair of an offer due now.
func (m *machine) startOffer() {
	m.dropCall(callMake, callPoll)
	m.pair = livePair{}
	m.seen = m.now
	m.offerDue, m.newPair = m.now, at(m.now)
}

// dropCode forgets a code that was not sent. One that was sent is spent.
func (m *machine) dropCode(why string) {
	if !m.code.isHeld() {
		return
	}
	m.dropCall(callExchange)
	const hint = "scan the QR code that the device shows now, if it shows one"
	m.replyTaken(conflict, Problem{Code: "canceled", Message: why, Hint: hint})
	m.takeFile(m.code.file, sentence(why)+" "+sentence(hint))
	m.code = heldCode{}
}

// attend starts the first day anew: somebody is here. What waits after a
// failure is tried at once, for they may just have mended it.
func (m *machine) attend() {
	m.seen = m.now
	if m.now-m.lastAttend < attendEvery {
		return
	}
	m.lastAttend = m.now
	if m.offersPair() && !m.pair.isLive() {
		m.newPair = m.newPair.attended(m.now)
	}
	if m.candidate() {
		m.prove = m.prove.attended(m.now)
	}
}

// configured takes new settings over. A link that still fits stays; one that
// does not is kept and not used, in case the change is taken back.
func (m *machine) configured(ev configured) {
	was, fit := m.set, m.linked()
	m.set = ev.settings
	m.clear(sourceConfig)
	m.clear(sourceConfigCode)
	m.do(note{"configuration taken over", ""})
	otherClient := was.client.ID != m.set.client.ID || was.client.Endpoints != m.set.client.Endpoints
	if otherClient {
		m.dropCode("the configuration was changed meanwhile")
		m.dropImport(conflict, canceled("the configuration was changed meanwhile"))
	}
	m.keepCall()
	if !m.fits(m.rec.Link) {
		m.dropCall(callProfile)
		m.refresh = idle()
		m.clear(sourceRefresh)
	}
	if fit && !m.linked() {
		m.withdraw()
	}
	if otherClient || was.method != m.set.method || was.pairKey() != m.set.pairKey() {
		m.clear(sourceLink)
		m.startOffer()
	}
	if !fit && m.linked() {
		m.endOffer()
	}
	// What the old configuration made fail may work now.
	m.offerDue = m.now
	if (m.linked() || m.revoked()) && (m.access.left(m.now) == 0 || m.refresh.waiting) {
		m.refresh = at(m.now)
	}
	if m.candidate() {
		m.prove = at(m.now)
	}
	if m.newPair.waiting {
		m.newPair = at(m.now)
	}
}

func (m *machine) doorsChanged(ev doorsChanged) {
	m.doors = ev.doors
	if ev.doors.Trouble.Code == "" {
		m.clear(sourcePage)
	} else {
		m.raiseProblem(sourcePage, ev.doors.Trouble)
	}
}

// offerAuthorize puts the address that is offered into the status. Where the
// redirect goes to a page on the web, it tells that page where this device is.
func (m *machine) offerAuthorize(s *Status) {
	attempt := m.rec.Attempts[0]
	page, err := url.Parse(m.doors.LinkPage)
	if err == nil && lwa.IsLocal(page.Hostname()) && !m.set.client.RedirectsToLoopback() {
		attempt, s.ComesBack = attempt.Toward(m.doors.LinkPage), true
	}
	s.AuthorizeURL, s.RedirectURI = m.set.client.AuthorizeURL(attempt), attempt.RedirectURI
	if l := m.doors.Loopback; l.Address != "" {
		s.Loopback = &l
	}
}

// foreign reports whether the link on disk belongs to another configuration.
func (m *machine) foreign() bool { return !m.rec.Link.isZero() && !m.fits(m.rec.Link) }
