package agent

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

func TestAThousandProgramsInAHangingRefreshGetTheCachedTokenAtOnce(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		cached := h.wantToken("linked")
		h.sim.Fail(lwatest.Silent(), -1, lwatest.Refresh)
		h.until("a refresh that hangs", 46*time.Minute, func() bool { return h.sim.Count(lwatest.Refresh) == 1 })

		begin := time.Now()
		var programs sync.WaitGroup
		for i := range 1000 {
			minValid := time.Duration(i%15) * time.Minute // all of it is there
			programs.Go(func() {
				acc, r, err := h.agent.goodToken(t.Context(), minValid, askPatience)
				if err != nil || r.outcome != done || acc != cached || time.Since(begin) != 0 {
					t.Errorf("a program got %+v after %v (%v), want the cached token at once", r, time.Since(begin), err)
				}
			})
		}
		programs.Wait()
		if time.Since(begin) != 0 {
			t.Fatalf("a thousand cached tokens took %v", time.Since(begin))
		}

		// Who wants more life than is left waits for the refresh, and gets what
		// there is when that does not come.
		for range 1000 {
			programs.Go(func() {
				acc, r, err := h.agent.goodToken(t.Context(), 30*time.Minute, askPatience)
				if err != nil || r.outcome != done || acc != cached || time.Since(begin) > askPatience {
					t.Errorf("a program that wants half an hour got %+v after %v (%v), want what is still valid within 5 s", r, time.Since(begin), err)
				}
			})
		}
		synctest.Wait()
		if acc, _, took := h.token(0); acc != cached || took != 0 {
			t.Errorf("a thousand waiting programs hold a cached token up for %v", took)
		}
		programs.Wait()
		if n := h.sim.Count(lwatest.Refresh); n > 3 {
			t.Errorf("%d refreshes for 2,000 programs", n)
		}
	})
}

func TestAThousandProgramsWithoutAnyTokenAreToldWithinFiveSeconds(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.sim.Fail(lwatest.Silent(), -1, lwatest.Refresh)
		h.pass(time.Hour + time.Minute)
		before, begin := h.sim.Count(lwatest.Refresh), time.Now()
		var programs sync.WaitGroup
		for range 1000 {
			programs.Go(func() {
				_, r, err := h.agent.goodToken(t.Context(), 0, askPatience)
				if err != nil || r.outcome != noToken || time.Since(begin) > askPatience {
					t.Errorf("outcome %d after %v (%v), want no token within 5 s", r.outcome, time.Since(begin), err)
				}
			})
		}
		programs.Wait()
		if n := h.sim.Count(lwatest.Refresh) - before; n > 1 {
			t.Errorf("%d refreshes because programs ask: in an outage that is a stampede", n)
		}
	})
}

func TestAfterARebootAProgramGetsATokenSoon(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.cfg.BootSpread = 5 * time.Minute // of a fleet
		before := h.sim.Count(lwatest.Refresh)
		h.reboot()
		if h.sim.Count(lwatest.Refresh) != before {
			t.Error("a refresh at once after boot: a street after a blackout would all ask in the same second")
		}
		if _, r, took := h.token(0); r.outcome != done || took > 5*time.Second {
			t.Errorf("a program that asks waits %v (%+v), want at most a sixtieth of the spread", took, r)
		}
	})
}

func TestLifeOfATokenCountsFromTheRequest(t *testing.T) {
	codeStory(t, lwatest.Options{TokenLife: 2 * time.Second}, func(t *testing.T, h *house) {
		h.sim.Fail(lwatest.Late(1500*time.Millisecond), -1)
		h.link()
		for range 50 {
			h.pass(100 * time.Millisecond)
			if acc, r, _ := h.token(0); r.outcome == done && acc.left(h.cfg.Uptime()) > 500*time.Millisecond {
				t.Fatalf("a token that was 1.5 s on its way claims %v of its 2 s", acc.left(h.cfg.Uptime()))
			}
		}
		if n := h.sim.Count(lwatest.Refresh); n > 15 {
			t.Errorf("%d refreshes in 5 s", n)
		}
	})
}
