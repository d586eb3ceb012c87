package agent

import (
	"time"

	"lwa-agent/lwa"
)

// something happens.
func (h *history) something() {
	was := h.m.linked()
	h.unlinks, h.crashIn = "", -1
	if h.rng.IntN(12) == 0 {
		h.crashIn = h.rng.IntN(4)
	}
	h.asked++
	switch n := h.rng.IntN(40); {
	case h.open != nil && n < 22:
		h.answerCall()
	case n < 8:
		h.pass(time.Duration(h.rng.IntN(120)) * time.Second)
	case n < 12:
		h.pass(time.Duration(h.rng.IntN(60)) * time.Minute)
	case n < 20:
		h.person()
	case n < 24:
		h.handIn()
	case n == 24:
		h.unlinks = "unlink"
		h.do(unlinkAsked{h.asked})
	case n == 25:
		h.do(relinkAsked{h.asked})
	case n == 26:
		h.do(relinkCanceled{h.asked})
	case n == 27:
		h.full = !h.full && h.rng.IntN(2) == 0
	case n == 28:
		h.remove()
	case n == 29:
		h.do(networkChanged{})
	case n == 30:
		h.do(clockSet{})
	case n == 31:
		h.do(attended{})
	case n == 32:
		h.do(tokenRefused{h.asked, h.m.access.Token})
	case n < 36:
		h.do(tokenAsked{h.asked, time.Duration(h.rng.IntN(3600)) * time.Second, askPatience})
	case n == 36:
		h.do(configured{h.set})
	case n == 37:
		h.crash()
	case n == 38:
		token := h.amazon.give(&linkModel{}, nil).Refresh // another program's
		h.do(importAsked{h.asked, token, "", "", h.rng.IntN(2) == 0})
	default:
		h.do(answered{call: 1 << 40, token: linkToken("Atza|stale", "Atzr|stale", hour)})
	}
	h.check(was)
}

// pass lets time pass. The machine is woken as it wants to be for a while, and
// then once at the end, as after a suspend.
func (h *history) pass(d time.Duration) {
	end := h.now + d
	for wakes := 0; h.now < end; wakes++ {
		boot := h.boots
		h.now = min(max(h.m.deadline(), h.now+1), end)
		if wakes >= 8 {
			h.now = end
		}
		if h.do(ticked{}) || h.boots != boot {
			return
		}
	}
}

// person scans what is shown and signs in.
func (h *history) person() {
	s := h.m.status()
	if s.AuthorizeURL != "" {
		state := h.m.rec.Attempts[0].State
		h.codes = append(h.codes, lwa.Drop{Code: lwa.NewSecret(h.amazon.signIn(state)), State: state})
		h.handIn()
	}
	if p := h.amazon.pairs[h.m.pair.DeviceCode.Reveal()]; s.UserCode != "" && p != nil {
		p.allowed = true
	}
}

// handIn drops or posts a code, the newest or an old one once more.
func (h *history) handIn() {
	if len(h.codes) == 0 {
		return
	}
	drop := h.codes[len(h.codes)-1-h.rng.IntN(min(3, len(h.codes)))]
	if h.rng.IntN(3) == 0 {
		drop.State = "" // a bare code
	}
	if h.rng.IntN(2) == 0 {
		h.do(codePosted{question: h.asked, drop: drop})
	} else {
		h.do(inboxWith(drop, testFile(drop.Code.Reveal())))
	}
}

// remove is the person who removes the app in the Amazon account.
func (h *history) remove() {
	if g := h.amazon.grants[h.m.rec.Link.Refresh.Reveal()]; g != nil {
		g.link.revoked = true
		h.removals++
	}
}
