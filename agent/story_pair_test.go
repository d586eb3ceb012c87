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

// An hour in which nobody comes: several pairs, slow_down, restarts and
// outages, against a server that counts each poll which comes too soon.
func TestPollingIsNeverTooSoon(t *testing.T) {
	t.Parallel()
	for _, interval := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 50 * time.Second} {
		cblStory(t, lwatest.Options{StrictPolling: true, PairInterval: interval}, func(t *testing.T, h *house) {
			for round := range 12 {
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
			if len(polls) < 20 {
				t.Fatalf("%d polls in an hour, so nothing was tested", len(polls))
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

func TestPairOfARestartIsShownAtOnceAndARebootMakesAnotherAtOnce(t *testing.T) {
	cblStory(t, lwatest.Options{StrictPolling: true}, func(t *testing.T, h *house) {
		code := h.pairShown()
		h.kill()
		h.powerOn()
		if got := h.status().UserCode; got != code {
			t.Errorf("after a restart the code is %q, want %q: somebody may be typing it", got, code)
		}
		h.shutDown()
		h.reboot()
		h.until("another code, since nobody knows how old that one is", time.Second, func() bool {
			got := h.status().UserCode
			return got != "" && got != code
		})
		h.link()
	})
}
