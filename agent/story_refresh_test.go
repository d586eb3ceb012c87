package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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
	for time.Since(begun) < 150*time.Minute {
		_, r, took := h.token(0)
		if r.outcome != noToken || took > askPatience || r.wait < time.Second || r.problem.Message == "" {
			h.t.Fatalf("with no token left: outcome %d after %v, wait %v, %+v; want a refusal within 5 s that says when to come again", r.outcome, took, r.wait, r.problem)
		}
		h.pass(5 * time.Minute)
		h.wantState(Linked, "hours of it")
	}
	h.wantError(name[:strings.Index(name, "/")], "in the outage")
	if calls := h.sim.Count(lwatest.Refresh, lwatest.Unsent); calls > 60 {
		h.t.Errorf("%d calls in 2½ hours of outage, with a program that asks all the time: that is hammering", calls)
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
		h.until("a token", networkSpread+time.Second, func() bool { return h.status().ExpiresAt != nil })
	})
}

// A year by the machine alone, which needs no ticks for it: each day there is
// an outage that begins in the very moment of a refresh, which is the worst
// one; and a fifth of the other refreshes fail, or none.
func TestAYearOfBadDaysLeavesNoSecondWithoutAToken(t *testing.T) {
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
		if n := h.sim.Count(lwatest.Refresh, lwatest.Unsent); n > 48*5 {
			h.t.Errorf("%d calls in two days, want at most five an hour", n)
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
		if p := h.wantError("invalid_client", "the secret was changed at Amazon"); !strings.Contains(p.Hint, "client_secret_file") || !strings.Contains(p.Hint, "Web settings") {
			t.Errorf("hint %q; want the file and the tab of Amazon's console", p.Hint)
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

func TestRemovalAtAmazonBringsTheQRCodeBackAtOnce(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.sim.RemoveApp()
		h.until("the refresh that finds out", 46*time.Minute, h.is(Unlinked))
		s := h.status()
		if s.AuthorizeURL == "" || s.Reason != "removed in the Amazon account" || s.ExpiresAt != nil || s.Account != "" {
			t.Errorf("after a removal: %+v; want the reason, a way to link, and nothing of the old link", s)
		}
		if acc, r, _ := h.token(0); r.outcome != notLinked || !acc.Token.IsZero() {
			t.Errorf("a token is handed out after a removal: %+v", r)
		}
		if h.onDisk().Link.isZero() {
			t.Fatal("the refresh token is gone: Amazon may have been wrong")
		}
		found := slices.Max(h.times(lwatest.Refresh))
		h.pass(4 * time.Hour)
		var tries []time.Duration
		for _, at := range h.times(lwatest.Refresh) {
			if at > found {
				tries = append(tries, (at - found).Round(time.Second))
			}
		}
		if want := []time.Duration{time.Minute, 10 * time.Minute, time.Hour}; !slices.Equal(tries, want) {
			t.Errorf("the old link was tried again after %v, want %v and never more", tries, want)
		}
		h.wantState(Unlinked, "hours later")
		h.link()
		h.wantToken("linked anew")
		h.pass(2 * time.Hour)
		h.wantToken("two hours after that")
	})
}

func TestAmazonWronglySayingRemovedCostsAMinute(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		since := *h.status().LinkedSince
		h.sim.Fail(lwatest.Refusing(lwatest.Revoked), 1, lwatest.Refresh)
		h.until("the refresh that finds out", 46*time.Minute, h.is(Unlinked))
		if h.status().AuthorizeURL == "" {
			t.Error("no way to link is shown")
		}
		h.until("linked again by itself", time.Minute+time.Second, h.is(Linked))
		s := h.status()
		if s.AuthorizeURL != "" || s.LastError != nil || !s.LinkedSince.Equal(since) {
			t.Errorf("linked again, and the status is %+v; want it as before", s)
		}
		h.wantToken("linked again")
		h.pass(3 * time.Hour)
		h.wantToken("and it stays so")
	})
}

func TestRemovalIsFoundAtOnceWhenAProgramReportsTheToken(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		acc := h.wantToken("linked")
		before := h.sim.Count(lwatest.Refresh)
		for range 100 {
			h.agent.tell(tokenRefused{acc.Token})
			h.agent.tell(tokenRefused{lwa.NewSecret("Atza|of-somebody-else")})
		}
		h.pass(0)
		if n := h.sim.Count(lwatest.Refresh) - before; n != 1 {
			t.Errorf("%d refreshes for a hundred reports of one token, want one", n)
		}
		if fresh := h.wantToken("refreshed"); fresh.Token == acc.Token {
			t.Error("the refused token is handed out again")
		}
		h.sim.RemoveApp()
		h.pass(refusedEvery)
		h.agent.tell(tokenRefused{h.wantToken("removed, and not known yet").Token})
		h.pass(0)
		h.wantState(Unlinked, "the API refused the token, and the refresh told why")
	})
}

func TestRestartAfterARemovalDoesNotForgetIt(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.sim.RemoveApp()
		h.until("found out", 46*time.Minute, h.is(Unlinked))
		h.kill()
		h.powerOn()
		if s := h.wantState(Unlinked, "after a restart"); s.AuthorizeURL == "" || s.Reason != "removed in the Amazon account" {
			t.Errorf("after a restart: %+v", s)
		}
		h.link()
	})
}

// rotationStory is a month of a device that is switched off at night, with
// restarts and kills at random moments.
func rotationStory(t *testing.T, o lwatest.Options, troubled bool) {
	codeStory(t, o, func(t *testing.T, h *house) {
		h.link()
		rng := rand.New(rand.NewPCG(3, 3))
		tokens := map[lwa.Secret]bool{}
		for day := range 30 {
			for range 4 {
				if troubled && rng.IntN(2) == 0 {
					h.sim.Fail([]lwatest.Fault{lwatest.AnswerLost(), lwatest.Interrupted(), lwatest.Late(40 * time.Second)}[rng.IntN(3)], 1, lwatest.Refresh)
				}
				h.pass(time.Duration(rng.Int64N(int64(time.Hour))))
				switch rng.IntN(3) {
				case 0:
					h.restart()
				case 1:
					h.kill()
					h.powerOn()
				}
				h.wantState(Linked, fmt.Sprintf("day %d", day))
				tokens[h.onDisk().Link.Refresh] = true
			}
			h.shutDown()
			time.Sleep(20 * time.Hour)
			h.powerOn()
			h.until("a token in the morning", time.Minute, func() bool { return h.status().ExpiresAt != nil })
		}
		if len(tokens) < 50 {
			t.Errorf("%d refresh tokens in a month, so nothing rotated", len(tokens))
		}
		h.sim.Recover()
		h.pass(2 * time.Hour)
		h.wantToken("after a month")
	})
}

func TestRotatedTokensSurviveAMonthOfRestarts(t *testing.T) {
	rotationStory(t, lwatest.Options{Rotate: true}, true)
	rotationStory(t, lwatest.Options{RotateAtOnce: true}, false)
}

// Where the old token dies at once and the answer is lost, no client can save
// the link. It must say so, try again, and let the person link anew.
func TestRotationWithALostAnswerEndsInALinkThatCanBeMadeAnew(t *testing.T) {
	codeStory(t, lwatest.Options{RotateAtOnce: true}, func(t *testing.T, h *house) {
		h.link()
		kept := h.onDisk().Link.Refresh
		h.sim.Fail(lwatest.AnswerLost(), 1, lwatest.Refresh)
		h.until("the lost answer", 46*time.Minute, func() bool { return h.status().LastError != nil })
		h.wantState(Linked, "an answer was lost: that is no proof of anything")
		if h.onDisk().Link.Refresh != kept {
			t.Fatal("the old refresh token was given up for an answer that never came")
		}
		h.until("Amazon refuses the old token", 20*time.Minute, h.is(Unlinked))
		if h.onDisk().Link.Refresh != kept {
			t.Error("the refused token is gone from the disk; it is kept for three more tries")
		}
		h.link()
		h.pass(3 * time.Hour)
		h.wantToken("linked anew")
	})
}

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
