package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

func TestNoTroubleEndsCodeBasedLinking(t *testing.T) {
	t.Parallel()
	for name, fault := range badAnswers() {
		if fault.RetryAfter > 2*time.Minute {
			continue // twice that is longer than a pair lives
		}
		for _, kind := range []lwatest.Kind{lwatest.CodePair, lwatest.Poll, lwatest.Refresh} {
			t.Run(fmt.Sprintf("%s/%s", kind, name), func(t *testing.T) {
				cblStory(t, lwatest.Options{StrictPolling: true}, func(t *testing.T, h *house) { linkInTrouble(t, h, kind, fault) })
			})
		}
	}
}

func linkInTrouble(t *testing.T, h *house, kind lwatest.Kind, fault lwatest.Fault) {
	burnt := fault.Committed || fault.Name == "interrupted" || fault.Name == "stalled" || fault.Name == "late" || fault.Name == "text/plain" || fault.Name == "truncated"
	if kind == lwatest.CodePair {
		h.shutDown()
		h.sim.ExpirePairs()
		h.sim.Fail(fault, 3, kind)
		h.reboot()
		h.until("a pair after the outage", 40*time.Minute, func() bool { return h.status().UserCode != "" })
		h.link()
		return
	}
	code := h.pairShown()
	h.sim.Fail(fault, 2, kind)
	must(t, h.sim.AllowPair(code))
	if kind == lwatest.Poll && burnt {
		// The answer is lost, and with it the pair: the person must do it again,
		// and is shown how.
		h.until("another code after a lost answer", 15*time.Minute, func() bool { c := h.status().UserCode; return c != "" && c != code })
		h.sim.Recover()
		h.link()
		return
	}
	h.until("linked when the trouble is over", 20*time.Minute, h.is(Linked))
	if pairs := h.sim.Count(lwatest.CodePair); pairs != 1 {
		t.Errorf("%d pairs were made, want the one that the person has used", pairs)
	}
	h.wantToken("linked")
}

func TestDeniedPairIsReplacedAndSaid(t *testing.T) {
	for _, standard := range []bool{false, true} {
		cblStory(t, lwatest.Options{StandardPairErrors: standard}, func(t *testing.T, h *house) {
			code := h.pairShown()
			must(t, h.sim.DenyPair(code))
			h.until("another code", 2*time.Minute, func() bool { c := h.status().UserCode; return c != "" && c != code })
			h.wantState(Unlinked, "the person pressed Cancel")
			if standard {
				if p := h.wantError("access_denied", "the server says it"); !strings.Contains(p.Message, "Cancel") {
					t.Errorf("%+v, want the word that stands on the button", p)
				}
			}
			h.link()
			if p := h.status().LastError; p != nil {
				t.Errorf("linked, and still: %+v", p)
			}
		})
	}
}

// With a client id from "Web settings" all goes well until the first refresh.
func TestWebClientIsNeverCalledLinkedAndTheRightTabIsNamed(t *testing.T) {
	story(t, lwatest.Options{}, lwatest.WebClientID, MethodCBL, func(t *testing.T, h *house) {
		cfg := h.cfg
		cfg.Client.Secret = lwa.Secret{}
		h.cfg = cfg
		h.restart()
		must(t, h.sim.AllowPair(h.pairShown()))
		for range 60 {
			h.pass(time.Second)
			if s := h.status(); s.State == Linked || s.Account != "" {
				t.Fatalf("linked is said with a client id that cannot refresh: %+v", s)
			}
		}
		p := h.wantError("invalid_request", "the proof failed")
		if !strings.Contains(p.Message+p.Hint, `"Other devices and platforms"`) || !strings.Contains(p.Hint, "client_secret_file") {
			t.Errorf("%+v; want the tab of Amazon's console and the other cure", p)
		}
		if s := h.status(); s.State != Unlinked {
			t.Errorf("state %q (%s), want unlinked: nothing goes on before a person has mended it", s.State, s.Reason)
		}
		if _, r, took := h.token(0); r.outcome != notLinked || took != 0 {
			t.Errorf("a program that asks: %+v after %v", r, took)
		}
		n := h.sim.Count()
		h.pass(3 * time.Hour)
		if got := h.sim.Count() - n; got > 13 {
			t.Errorf("%d calls in 3 h, want one in 15 minutes", got)
		}
		// The cure: the secret in its file.
		cfg.Client.Secret = lwa.NewSecret(lwatest.WebClientSecret)
		h.agent.Reconfigure(t.Context(), cfg)
		h.until("linked without doing it all again", time.Minute, h.is(Linked))
		h.wantToken("mended")
		if p := h.status().LastError; p != nil {
			t.Errorf("mended, and still: %+v", p)
		}
	})
}

func TestOtherClientIDAfterAWrongOneOffersAnew(t *testing.T) {
	story(t, lwatest.Options{}, lwatest.WebClientID, MethodCBL, func(t *testing.T, h *house) {
		cfg := h.cfg
		cfg.Client.Secret = lwa.Secret{}
		h.cfg = cfg
		h.restart()
		must(t, h.sim.AllowPair(h.pairShown()))
		h.until("the proof failed", time.Minute, func() bool { return h.status().LastError != nil })
		cfg.Client.ID = lwatest.DeviceClientID
		h.cfg = cfg
		h.agent.Reconfigure(t.Context(), cfg)
		h.link()
		h.wantToken("the other cure")
	})
}

// Whatever moment of code-based linking the agent is killed at: afterwards it
// is linked, or shows a code to link with.
func TestKilledAtAnyMomentOfCodeBasedLinking(t *testing.T) {
	t.Parallel()
	for _, rebooted := range []bool{false, true} {
		for moment := 0; ; moment++ {
			reached := false
			t.Run(fmt.Sprintf("reboot %t moment %d", rebooted, moment), func(t *testing.T) {
				cblStory(t, lwatest.Options{StrictPolling: true, Rotate: true}, func(t *testing.T, h *house) {
					reached = pairAndBeKilled(t, h, rebooted, moment)
				})
			})
			if !reached || t.Failed() {
				break
			}
		}
	}
}

func pairAndBeKilled(t *testing.T, h *house, rebooted bool, moment int) (reached bool) {
	h.shutDown()
	h.cfg.StateDir += "-new"
	before := h.sim.Count(lwatest.CodePair)
	h.powerOnCutAt(moment)
	for range 90 {
		h.pass(time.Second)
		if code := h.status().UserCode; code != "" {
			_ = h.sim.AllowPair(code) // already done: fine
		}
		if h.line.isCut() {
			reached = true
			break
		}
	}
	if rebooted {
		h.reboot()
	} else {
		h.kill()
		time.Sleep(5 * time.Second) // until systemd starts it again
		h.powerOn()
	}
	h.until("linked, or a code on the screen", 2*time.Minute, func() bool { s := h.status(); return s.State == Linked || s.UserCode != "" })
	if h.status().State != Linked {
		_ = h.sim.AllowPair(h.status().UserCode)
		h.until("linked by the code on the screen", 2*time.Minute, func() bool {
			if s := h.status(); s.UserCode != "" {
				_ = h.sim.AllowPair(s.UserCode)
			}
			return h.status().State == Linked
		})
	}
	h.wantToken("after a kill")
	if n := h.sim.Count(lwatest.CodePair) - before; n > 2 {
		t.Errorf("%d pairs for one linking, want at most the second that a lost answer costs", n)
	}
	return reached
}

func (h *house) powerOnCutAt(moment int) {
	h.t.Helper()
	h.cutAt = moment
	h.powerOn()
	h.cutAt = -1
}
