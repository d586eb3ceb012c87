package agent

import (
	"slices"
	"testing"
	"time"

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
