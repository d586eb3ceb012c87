package agent

import (
	"time"

	"lwa-agent/lwa"
)

// hope is a reason for which a wait may be over before its time: an address
// that came, or a clock that was set. Each may do that once in hopeEvery; news
// that comes sooner is kept until then, for an address often comes before the
// route that it needs.
type hope struct {
	last  time.Duration // uptime when it last shortened waits
	again bool          // there was news since
}

func noHope() hope { return hope{last: -hopeEvery} }

// due is when kept news counts; never without any.
func (h hope) due() time.Duration {
	if !h.again {
		return never
	}
	return h.last + hopeEvery
}

func (m *machine) networkChanged() { m.raiseHope(&m.network) }

// clockSet follows the wall clock at once. A certificate that was not valid yet
// may be valid now.
func (m *machine) clockSet(ev clockSet) {
	m.setEpoch(ev.epoch)
	m.setSynchronized(ev.synchronized)
	m.raiseHope(&m.clockMoved)
}

// setSynchronized notes whether something keeps the clock right. One that was
// made right in small steps is news as well.
func (m *machine) setSynchronized(is bool) {
	if is && !m.synchronized {
		m.raiseHope(&m.clockMoved)
	}
	m.synchronized = is
}

func (m *machine) raiseHope(h *hope) {
	h.again = true
	m.followHope(h)
}

// followHope shortens the waits after failures to a random part of hopeSpread,
// so that a street whose power or network came back does not ask in the same
// second. News in the middle of a call counts when that has failed, and where
// nothing waits it is not counted.
func (m *machine) followHope(h *hope) {
	if m.inCall.id != 0 || m.now < h.due() {
		return
	}
	h.again = false
	waits := func() [5]time.Duration {
		return [...]time.Duration{m.refresh.due, m.prove.due, m.newPair.due, m.account.due, m.code.due}
	}
	before := waits()
	soon := m.now + upTo(hopeSpread, m.rng)
	m.refresh = m.refresh.sooner(soon)
	m.prove = m.prove.sooner(soon)
	m.newPair = m.newPair.sooner(soon)
	m.account = m.account.sooner(soon)
	if m.code.isHeld() {
		m.code.due = min(m.code.due, m.now) // a person waits, alone
	}
	if m.offersPair() && !m.pair.isLive() && !m.newPair.waiting {
		m.newPair.due = min(m.newPair.due, soon)
	}
	if waits() != before {
		h.last = m.now
	}
}

// aboutClock puts what is known of the clock into an error about a certificate
// that is not valid now. It is tried again when the clock was set; there is no
// way round the certificate.
func (m *machine) aboutClock(err *lwa.Error) (message, hint string) {
	if m.synchronized {
		return err.Message, "the clock is right, so the certificate is not, or something between the device and Amazon answers in its place; it is tried again by itself"
	}
	return "the clock is not set: " + err.Message, "it is tried again when the clock is set; see: timedatectl"
}
