package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// Whatever moment the agent is killed at: afterwards it is linked, or the same
// QR code can be scanned again; and no code is sent twice.
func TestKilledAtAnyMomentOfLinking(t *testing.T) {
	t.Parallel()
	for _, answer := range []lwatest.Fault{{Name: "all goes well"}, lwatest.Failing(503), lwatest.DialFails(), lwatest.Refusing(lwatest.SpentCode)} {
		for moment := 0; ; moment++ {
			reached := false
			t.Run(fmt.Sprintf("%s %d", answer, moment), func(t *testing.T) {
				codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) { reached = linkAndBeKilled(t, h, answer, moment) })
			})
			if !reached || t.Failed() {
				break
			}
		}
	}
}

func linkAndBeKilled(t *testing.T, h *house, answer lwatest.Fault, moment int) (reached bool) {
	qr := h.status().AuthorizeURL
	back := h.signIn()
	h.putFile("code.txt", back)
	h.sim.Fail(answer, 1, lwatest.Exchange)
	h.line.cutAt = moment
	h.offer()
	for range 10 {
		h.pass(time.Second)
		if h.line.isCut() {
			break
		}
	}
	reached = h.line.isCut()
	refused := h.sim.Count(lwatest.Exchange) > 0 && answer.Refusal == lwatest.SpentCode
	h.kill()
	h.sim.Recover()
	h.powerOn()
	h.offer()
	h.post(back) // and by hand, too
	for range 40 {
		h.pass(time.Second)
		h.offer()
	}
	s := h.status()
	if s.State == Linked {
		h.wantToken("linked after the kill")
		return reached
	}
	if s.State != Unlinked || s.AuthorizeURL == "" {
		t.Fatalf("after a kill at moment %d: %+v; want linked, or a QR code", moment, s)
	}
	if s.AuthorizeURL != qr && !refused {
		t.Errorf("after a kill at moment %d the QR code is another, and Amazon has refused no code: whoever just scanned it signs in for nothing", moment)
	}
	h.post(h.signIn())
	h.until("linked by the same QR code", time.Minute, h.is(Linked))
	return reached
}

func TestNoTroubleAtTheExchangeCostsTheQRCode(t *testing.T) {
	t.Parallel()
	for name, fault := range badAnswers() {
		t.Run(name, func(t *testing.T) {
			codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) { exchangeInTrouble(t, h, name, fault) })
		})
	}
}

func exchangeInTrouble(t *testing.T, h *house, name string, fault lwatest.Fault) {
	qr := h.status().AuthorizeURL
	path := h.putFile("code.txt", h.signIn())
	h.sim.Fail(fault, -1, lwatest.Exchange)
	h.offer()
	h.pass(lwa.CallTimeout + time.Second)
	h.wantError(name[:strings.Index(name, "/")], "the exchange failed")
	if h.sim.Count(lwatest.Unsent) > 0 { // the code never left, so it is tried again
		h.wantState(Linking, "the network is away")
		if h.status().Reason == "" || h.status().AuthorizeURL != "" {
			t.Errorf("with a code that waits for the network: %+v; want the reason and no QR code", h.status())
		}
		h.pass(90 * time.Second)
		h.sim.Recover()
		h.until("linked by the same code once the network is there", time.Minute, h.is(Linked))
		h.wantTaken(path, "now linked", "the code was good all the time")
		return
	}
	s := h.wantState(Unlinked, "the code may be used up")
	if hint := s.LastError.Hint; !strings.Contains(hint, "scan the QR code") {
		t.Errorf("hint %q; the code is not tried again, so the person must know what to do", hint)
	}
	if s.AuthorizeURL != qr {
		t.Error("the QR code changed, although Amazon has not refused the code")
	}
	if n := h.sim.Count(lwatest.Exchange); n != 1 {
		t.Errorf("%d exchanges, want one: nobody knows whether the code was used", n)
	}
	h.wantTaken(path, "scan the QR code again", "what became of the code")
	h.sim.Recover()
	h.post(h.signIn())
	h.until("linked by the same QR code", 10*time.Second, h.is(Linked))
}

func TestCodeWaitsFiveMinutesForTheNetworkAndNotLonger(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		qr := h.status().AuthorizeURL
		path := h.putFile("code.txt", h.signIn())
		h.sim.Fail(lwatest.NameLookupFails(), -1)
		h.offer()
		took := h.until("given up", codeLife+time.Minute, h.is(Unlinked))
		if took < codeLife {
			t.Errorf("given up after %v, want %v: so long a code lives", took, codeLife)
		}
		h.wantTaken(path, "no connection to Amazon", "a code that is too old now")
		if h.status().AuthorizeURL != qr {
			t.Error("the QR code changed")
		}
		h.sim.Recover()
		h.pass(time.Hour)
		if n := h.sim.Count(lwatest.Exchange); n != 0 {
			t.Errorf("%d exchanges of a code that was given up", n)
		}
	})
}

func TestStopWithinAnExchangeStillSavesTheLink(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		path := h.putFile("code.txt", h.signIn())
		h.sim.Fail(lwatest.Late(4*time.Second), 1, lwatest.Exchange)
		h.offer()
		h.pass(time.Second)
		begin := time.Now()
		h.shutDown()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the agent ended after %v, want it to wait for the answer that is 3 s away", took)
		}
		h.wantTaken(path, "now linked", "the answer came while stopping")
		h.powerOn()
		h.wantState(Linked, "the only copy of the tokens came while stopping")
		if n := h.sim.Count(lwatest.Exchange); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

func TestStopDoesNotWaitForAnAnswerThatDoesNotCome(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		qr := h.status().AuthorizeURL
		back := h.signIn()
		h.sim.Fail(lwatest.Silent(), 1, lwatest.Exchange)
		h.post(back)
		begin := time.Now()
		h.shutDown()
		if took := time.Since(begin); took != stopPatience {
			t.Errorf("the agent ended after %v, want %v: systemd kills it later", took, stopPatience)
		}
		h.powerOn()
		if s := h.wantState(Unlinked, "no answer came"); s.AuthorizeURL != qr {
			t.Error("the QR code changed")
		}
		if r := h.post(back); r.problem.Code != "tried" {
			t.Errorf("the same code after the start: %+v, want it refused as tried", r.problem)
		}
		h.link()
	})
}

func TestStopWithinARefreshSavesTheRotatedToken(t *testing.T) {
	codeStory(t, lwatest.Options{RotateAtOnce: true}, func(t *testing.T, h *house) {
		h.link()
		h.sim.Fail(lwatest.Late(4*time.Second), 1, lwatest.Refresh)
		h.until("a refresh under way", 46*time.Minute, func() bool { return h.sim.Count(lwatest.Refresh) == 1 })
		h.restart()
		h.pass(10 * time.Second)
		h.wantState(Linked, "the old token is dead, and the new one was saved while stopping")
		h.wantToken("after the restart")
	})
}
