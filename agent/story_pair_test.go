package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

func (h *house) pairShown() string {
	h.t.Helper()
	h.until("a code on the screen", time.Minute, func() bool { return h.status().UserCode != "" })
	return h.status().UserCode
}

func TestFromCodeOnTheScreenToToken(t *testing.T) {
	cblStory(t, lwatest.Options{StrictPolling: true}, func(t *testing.T, h *house) {
		code := h.pairShown()
		s := h.status()
		if s.AuthorizeURL != "" || s.VerificationURI != "https://amazon.com/us/code" || s.PollSeconds != 30 || s.LinkExpiresAt == nil {
			t.Errorf("with a pair offered: %+v; want the address, the end, the interval and no authorize URL", s)
		}
		h.pass(5 * time.Minute)
		if got := h.status().UserCode; got != code {
			t.Fatalf("the code changed from %s to %s under the person's fingers", code, got)
		}
		if p := h.status().LastError; p != nil {
			t.Errorf("while nobody has signed in yet: %+v, want no error", p)
		}
		must(t, h.sim.AllowPair(code))
		took := h.until("linked", 31*time.Second, h.is(Linked))
		if n := h.sim.Count(lwatest.Refresh); n != 1 {
			t.Errorf("linked after %v and %d refreshes, want the one that proves the client id", took, n)
		}
		h.wantToken("linked")
		if s := h.status(); s.Account != "Jo Example" || s.UserCode != "" || s.VerificationURI != "" || s.LastError != nil {
			t.Errorf("linked: %+v; want the account named and no way to link", s)
		}
		h.pass(2 * time.Hour)
		h.wantToken("hours later")
	})
}

// Two hours in which nobody comes: ten pairs and more, slow_down, restarts and
// outages, against a server that counts each poll which comes too soon.
func TestPollingIsNeverTooSoon(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 50 * time.Second} {
		cblStory(t, lwatest.Options{StrictPolling: true, PairInterval: interval}, func(t *testing.T, h *house) {
			for round := range 24 {
				switch round % 6 {
				case 1:
					h.restart()
				case 2:
					h.sim.Fail(lwatest.Refusing(lwatest.SlowDown), 2, lwatest.Poll)
				case 3:
					h.sim.Fail(lwatest.Failing(503), 3, lwatest.Poll, lwatest.CodePair)
				case 4:
					h.sim.Fail(lwatest.Late(20*time.Second), 3, lwatest.Poll)
				case 5:
					h.reboot()
				}
				h.pass(5 * time.Minute)
			}
			h.sim.Recover()
			polls := h.times(lwatest.Poll)
			if len(polls) < 40 {
				t.Fatalf("%d polls in two hours, so nothing was tested", len(polls))
			}
			for i := 1; i < len(polls); i++ {
				if gap := polls[i] - polls[i-1]; gap < max(5*time.Second, interval) {
					t.Errorf("polls %v apart with the interval %v, want at least max(5 s, interval)", gap, interval)
				}
			}
			h.link()
		})
	}
}

func TestSlowDownDoublesTheIntervalUpToAMinute(t *testing.T) {
	cblStory(t, lwatest.Options{PairInterval: 10 * time.Second}, func(t *testing.T, h *house) {
		code := h.pairShown()
		h.sim.Fail(lwatest.Refusing(lwatest.SlowDown), 4, lwatest.Poll)
		h.pass(8 * time.Minute)
		polls := h.times(lwatest.Poll)
		var gaps []time.Duration
		for i := 1; i < min(len(polls), 7); i++ {
			gaps = append(gaps, (polls[i] - polls[i-1]).Round(time.Second))
		}
		s := time.Second
		if want := []time.Duration{20 * s, 40 * s, 60 * s, 60 * s, 60 * s, 60 * s}; !slices.Equal(gaps, want) {
			t.Errorf("polls are %v apart after slow_down, want %v", gaps, want)
		}
		if s := h.status(); s.UserCode != code || s.PollSeconds != 60 {
			t.Errorf("after slow_down the screen says %q and %d s, want the same code and 60 s: it tells how long it may take", s.UserCode, s.PollSeconds)
		}
		must(t, h.sim.AllowPair(code))
		h.until("linked all the same", time.Minute+time.Second, h.is(Linked))
	})
}

func TestNoTroubleEndsCodeBasedLinking(t *testing.T) {
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

func TestAnHourOfExpiredPairs(t *testing.T) {
	cblStory(t, lwatest.Options{StrictPolling: true}, func(t *testing.T, h *house) {
		seen := map[string]bool{}
		for range 120 {
			h.pass(30 * time.Second)
			if code := h.status().UserCode; code != "" {
				seen[code] = true
			}
		}
		if n := h.sim.Count(lwatest.CodePair); n < 6 || n > 7 || len(seen) < 6 {
			t.Errorf("%d pairs made and %d shown in an hour, want one in ten minutes", n, len(seen))
		}
		h.sim.ExpirePairs() // sooner than it said
		old := h.status().UserCode
		h.until("another code", 2*time.Minute, func() bool { c := h.status().UserCode; return c != "" && c != old })
		h.link()
	})
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

func TestPairOfARestartIsShownAtOnceAndOfAnotherBootOnlyWhenAmazonStillWaits(t *testing.T) {
	cblStory(t, lwatest.Options{StrictPolling: true}, func(t *testing.T, h *house) {
		code := h.pairShown()
		h.kill()
		h.powerOn()
		if got := h.status().UserCode; got != code {
			t.Errorf("after a restart the code is %q, want %q: somebody may be typing it", got, code)
		}
		h.reboot()
		h.until("the code again, once Amazon says that it waits for it", 31*time.Second, func() bool { return h.status().UserCode == code })
		h.shutDown()
		time.Sleep(time.Hour)
		h.reboot()
		h.until("another code", time.Minute, func() bool {
			got := h.status().UserCode
			if got == code {
				t.Fatal("a code of an hour ago is shown")
			}
			return got != ""
		})
		h.link()
	})
}

func TestDeviceThatNobodyLooksAtAsksTenMinutesInAnHour(t *testing.T) {
	cblStory(t, lwatest.Options{PairInterval: time.Minute}, func(t *testing.T, h *house) {
		h.pass(24 * time.Hour)
		first := h.sim.Count(lwatest.CodePair)
		if first < 140 || first > 146 {
			t.Errorf("%d pairs in the first day, want one in ten minutes without pause", first)
		}
		h.pass(time.Hour) // from the one rhythm to the other
		from := h.sim.Count(lwatest.CodePair)
		dark := 0
		for range 4 * 60 {
			h.pass(time.Minute)
			if s := h.status(); s.UserCode == "" {
				dark++
				if s.NextLinkAt == nil {
					t.Fatalf("no code is shown, nor when the next one comes: %+v", s)
				}
			}
		}
		if n := h.sim.Count(lwatest.CodePair) - from; n < 3 || n > 5 || dark < 4*45 {
			t.Errorf("%d pairs in 4 h of which %d minutes without, want one an hour", n, dark)
		}
		if h.status().UserCode != "" {
			h.until("no code", 11*time.Minute, func() bool { return h.status().UserCode == "" })
		}
		h.agent.tell(attended{})
		h.until("a code, for somebody is here", time.Second, func() bool { return h.status().UserCode != "" })
		h.link()
	})
}
