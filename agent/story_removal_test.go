package agent

import (
	"slices"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

func TestRemovalAtAmazonBringsTheQRCodeBackAtOnce(t *testing.T) {
	t.Parallel()
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
			h.agent.tell(tokenRefused{token: acc.Token})
			h.agent.tell(tokenRefused{token: lwa.NewSecret("Atza|of-somebody-else")})
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
		h.agent.tell(tokenRefused{token: h.wantToken("removed, and not known yet").Token})
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
