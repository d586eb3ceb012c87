package agent

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// badAnswers is every way in which a call fails and passes, and the error word
// in the status.
func badAnswers() map[string]lwatest.Fault {
	all := map[string]lwatest.Fault{}
	for code, faults := range map[string][]lwatest.Fault{
		"server": {
			lwatest.Failing(500), lwatest.Failing(503), lwatest.Failing(504), lwatest.Failing(429), lwatest.BadGateway(), lwatest.Refusing(lwatest.ServerError),
			lwatest.Busy(503, 90*time.Second), lwatest.Busy(429, 5*time.Minute), lwatest.BusyUntil(503, 2*time.Minute), lwatest.Busy(429, 24*time.Hour),
		},
		"not_oauth": {
			lwatest.BadRequestPage(), lwatest.Portal(), lwatest.Truncated(), lwatest.Empty(), lwatest.Huge(), lwatest.WrongTypes(), lwatest.PlainText(),
			lwatest.Redirecting(307, "https://portal.example/"), lwatest.Failing(403), lwatest.Failing(404),
		},
		"network": {lwatest.ConnectionReset(), lwatest.AnswerLost(), lwatest.Interrupted(), lwatest.NameLookupFails(), lwatest.DialFails()},
		"timeout": {lwatest.Silent(), lwatest.Stalled(), lwatest.Late(90 * time.Second)},
		"clock":   {lwatest.CertificateNotYetValid()},
	} {
		for _, f := range faults {
			all[fmt.Sprintf("%s/%s %s", code, f, f.RetryAfter)] = f
		}
	}
	return all
}

func TestNoTroubleAtTheRefreshCostsTheLink(t *testing.T) {
	t.Parallel()
	for name, fault := range badAnswers() {
		t.Run(name, func(t *testing.T) {
			codeStory(t, lwatest.Options{}, func(_ *testing.T, h *house) { sitOut(h, name, fault) })
		})
	}
}

func sitOut(h *house, name string, fault lwatest.Fault) {
	h.link()
	cached := h.wantToken("just linked")
	begun := time.Now()
	h.sim.Fail(fault, -1, lwatest.Refresh)
	for time.Since(begun) < 57*time.Minute {
		h.pass(2 * time.Minute)
		if acc := h.wantToken("in the outage, while the token lives"); acc != cached {
			h.t.Fatal("another token is handed out, in an outage")
		}
	}
	if calls := h.sim.Count(lwatest.Refresh, lwatest.Unsent); calls < 2 && fault.RetryAfter < 10*time.Minute {
		h.t.Errorf("%d tries while the token lived: an outage of a quarter of an hour would be felt", calls)
	}
	h.pass(3*time.Minute + time.Second)
	for time.Since(begun) < 100*time.Minute {
		_, r, took := h.token(0)
		if r.outcome != noToken || took > askPatience || r.wait < time.Second || r.problem.Message == "" {
			h.t.Fatalf("with no token left: outcome %d after %v, wait %v, %+v; want a refusal within 5 s that says when to come again", r.outcome, took, r.wait, r.problem)
		}
		h.pass(5 * time.Minute)
		h.wantState(Linked, "hours of it")
	}
	h.wantError(name[:strings.Index(name, "/")], "in the outage")
	if calls := h.sim.Count(lwatest.Refresh, lwatest.Unsent); calls > 60 {
		h.t.Errorf("%d calls in 100 minutes of outage, with a program that asks all the time: that is hammering", calls)
	}

	before := h.sim.Count(lwatest.Refresh)
	h.sim.Recover()
	most := backoffCap + lwa.CallTimeout
	if fault.RetryAfter > 0 {
		most += 2 * min(fault.RetryAfter, time.Hour)
	}
	took := h.until("a token again, without anybody's help", most, func() bool { return h.status().ExpiresAt != nil })
	if h.status().LastError != nil || h.sim.Count(lwatest.Refresh) > before+2 {
		h.t.Errorf("%v after the outage: %+v", took, h.status().LastError)
	}
	h.wantToken("after the outage")
}

func TestNetworkThatComesBackEndsTheWait(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.sim.Fail(lwatest.NameLookupFails(), -1, lwatest.Refresh)
		h.pass(5 * time.Hour)
		h.sim.Recover()
		h.agent.tell(networkChanged{})
		h.until("a token", hopeSpread+time.Second, func() bool { return h.status().ExpiresAt != nil })
	})
}

// A year by the machine alone, which needs no ticks for it: each day there is
// an outage that begins in the very moment of a refresh, which is the worst
// one; and a fifth of the other refreshes fail, or none.
func TestAYearOfBadDaysLeavesNoSecondWithoutAToken(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * hour
	for outage, fails := range map[time.Duration]int{10 * time.Minute: 20, 14 * time.Minute: 0} {
		rng := rand.New(rand.NewPCG(2026, uint64(outage)))
		w := linkedWorld(t)
		start, calls, without := w.now, 1, time.Duration(0)
		next, ends := w.now, w.now
		for w.now-start < year {
			w.now = max(w.m.refresh.due, w.now)
			if w.now >= next && !w.m.refresh.waiting {
				next, ends = next+24*hour, w.now+outage
			}
			w.do(ticked{})
			if w.m.inCall.kind != callRefresh || w.m.inCall.id == 0 || !w.m.linked() {
				t.Fatalf("call %+v, linked %t when a refresh is due", w.m.inCall, w.m.linked())
			}
			calls++
			sent, expires := w.now, w.m.access.Expires
			w.now += upTo(3*time.Second, rng)
			if sent < ends || rng.IntN(100) < fails {
				w.answer(answered{err: errDown, sent: sent})
			} else {
				without += max(0, w.now-expires)
				w.answer(answered{token: token(fmt.Sprintf("Atza|%d", calls), hour), sent: sent})
			}
		}
		if without > 0 {
			t.Errorf("outages of %v: %v without a valid token in a year, want none", outage, without)
		}
		// Every 37.5 minutes are 14,016 refreshes a year, beside the failures.
		if calls < 14_000 || calls > 24_000 {
			t.Errorf("outages of %v: %d calls in a year, want about 18,000", outage, calls)
		}
		if n := count[save](w); n != 0 {
			t.Errorf("%d writes to flash in a year without a new refresh token", n)
		}
	}
}

func TestAFifthOfAllAnswersMissingIsNotFelt(t *testing.T) {
	t.Parallel()
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		rng := rand.New(rand.NewPCG(1, 1))
		faults := []lwatest.Fault{lwatest.Failing(503), lwatest.BadGateway(), lwatest.ConnectionReset(), lwatest.NameLookupFails(), lwatest.Silent(), lwatest.Portal()}
		for range 48 * 60 / 5 {
			h.sim.Recover()
			if rng.IntN(5) == 0 {
				h.sim.Fail(faults[rng.IntN(len(faults))], -1, lwatest.Refresh)
			}
			h.pass(5 * time.Minute)
			h.wantToken("two days with a fifth of the network gone")
		}
		if n := h.sim.Count(lwatest.Refresh, lwatest.Unsent); n > 48*6 {
			h.t.Errorf("%d calls in two days, want at most six an hour", n)
		}
	})
}

func TestWrongSecretKeepsTheTokenAndNamesTheCure(t *testing.T) {
	story(t, lwatest.Options{}, lwatest.WebClientID, MethodCode, func(t *testing.T, h *house) {
		h.link()
		refreshToken := h.onDisk().Link.Refresh
		must(t, h.sim.SetSecret(lwatest.WebClientID, "another-secret"))
		h.until("the refresh that finds out", 46*time.Minute, func() bool { return h.status().LastError != nil })
		h.wantState(Linked, "invalid_client ends no link")
		if p := h.wantError("invalid_client", "the secret was changed at Amazon"); !strings.Contains(p.Hint, "lwa-agent setup") || !strings.Contains(p.Hint, "Web settings") {
			t.Errorf("hint %q; want the command and the tab of Amazon's console", p.Hint)
		}
		h.wantToken("while the old one lives")
		found := h.sim.Count(lwatest.Refresh)
		h.pass(3 * time.Hour)
		if n := h.sim.Count(lwatest.Refresh) - found; n < 10 || n > 13 {
			t.Errorf("%d tries in 3 h, want one in 15 minutes: somebody may mend it at Amazon", n)
		}
		if h.onDisk().Link.Refresh != refreshToken {
			t.Error("the refresh token is gone: it outlives a change of the secret")
		}
		cfg := h.cfg
		cfg.Client.Secret = lwa.NewSecret("another-secret")
		h.agent.Reconfigure(t.Context(), cfg)
		h.pass(0)
		h.wantToken("the secret was mended in the configuration")
		if p := h.status().LastError; p != nil {
			t.Errorf("mended, and still: %+v", p)
		}
	})
}
