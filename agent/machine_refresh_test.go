package agent

import (
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
)

func TestTokenIsRenewedBetweenHalfAndThreeQuartersOfItsLife(t *testing.T) {
	t.Parallel()
	w := linkedWorld(t)
	start := w.now
	for i := range 200 {
		w.pass(30*time.Minute - 1)
		w.wantNoCall("before half of the life")
		for w.m.inCall.id == 0 {
			w.pass(time.Second)
		}
		if at := w.now - start; at > 45*time.Minute+time.Second {
			t.Fatalf("refresh %d after %v, want at most 45 min", i, at)
		}
		start = w.now
		w.answer(answered{token: token("Atza|next", hour)})
	}
	if n := count[save](w); n != 0 {
		t.Errorf("%d writes to flash for 200 refreshes that brought no new refresh token", n)
	}
}

func TestRotatedRefreshTokenSavedBeforeAnswer(t *testing.T) {
	w := linkedWorld(t)
	w.pass(hour + time.Minute)
	q := w.ask(0)
	before := len(w.effects)
	w.answer(answered{token: linkToken("Atza|two", "Atzr|two", hour)})
	w.wantReply(q, done, "a program waited for the refresh")
	for _, e := range w.effects[before:] {
		switch e.(type) {
		case save:
			return
		case reply, keepAccess:
			t.Fatalf("%T came before the new refresh token was saved: a power cut now would lose the link", e)
		}
	}
	t.Fatal("the rotated token was not saved")
}

func TestRotatedTokenSurvivesAFullDisk(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	w.full = true
	w.answer(answered{token: linkToken("Atza|two", "Atzr|two", hour)})
	w.wantProblem("store", "the old token on disk may be dead")
	w.pass(46 * time.Minute)
	if got := wantCall[refresh](w, "the next refresh").token.Reveal(); got != "Atzr|two" {
		t.Errorf("refresh with %q, want the rotated token from memory", got)
	}
	w.full = false
	w.answer(answered{token: token("Atza|three", hour)})
	w.pass(time.Minute)
	if got := w.disk.Link.Refresh.Reveal(); got != "Atzr|two" {
		t.Errorf("on disk is %q after it had space again, want the rotated token", got)
	}
}

func TestOutageNeverEndsALink(t *testing.T) {
	t.Parallel()
	failures := []*lwa.Error{
		errDown, errUnsent, errConfig,
		{Kind: lwa.Passing, Code: "not_oauth"},
		{Kind: lwa.Passing, Code: "timeout"},
		{Kind: lwa.Passing, Code: "clock"},
		{Kind: lwa.Passing, Code: "server", RetryAfter: hour},
	}
	w := linkedWorld(t)
	calls := 0
	for end := w.now + 30*24*hour; w.now < end; w.pass(time.Minute) {
		if w.m.inCall.id != 0 {
			w.answer(answered{err: failures[calls%len(failures)]})
			calls++
		}
		w.wantState(Linked, "an outage of a month")
	}
	if calls > 30*24*12 {
		t.Errorf("%d calls in a month of outage: that is hammering", calls)
	}
	w.do(networkChanged{})
	w.pass(hopeSpread)
	for w.m.inCall.id == 0 {
		w.pass(time.Minute)
	}
	w.answer(answered{token: token("Atza|two", hour)})
	w.wantReply(w.ask(0), done, "the first answer after a month mends all")
	w.wantProblem("", "mended")
}

func TestCachedTokenIsServedDuringAnOutage(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	w.answer(answered{err: errDown})
	w.wantReply(w.ask(time.Minute), done, "14 minutes of life are left")
	q := w.ask(20 * time.Minute)
	w.pass(5 * time.Second)
	w.wantReply(q, done, "less than asked for, and nothing better is to be had")
}

func TestExpiredTokenIsNeverHandedOut(t *testing.T) {
	w := linkedWorld(t)
	for end := w.now + hour; w.now < end; w.pass(time.Second) {
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errUnsent})
		}
	}
	q := w.ask(0)
	w.pass(6 * time.Second)
	if w.m.inCall.id != 0 {
		w.answer(answered{err: errUnsent})
	}
	r := w.wantReply(q, noToken, "the hour is over")
	if r.wait < time.Second {
		t.Errorf("a program is told to ask again after %v: it would spin", r.wait)
	}
	if r.problem.Message == "" {
		t.Error("a program without a token is not told why")
	}
}

func TestRemovalInTheAccountShowsTheLinkAtOnceAndKeepsTheToken(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	w.answer(answered{err: errRevoked})
	w.wantState(Unlinked, "removed in the account")
	if s := w.m.status(); s.AuthorizeURL == "" || s.Reason != "removed in the Amazon account" {
		t.Errorf("want a way to link and the reason, got %+v", s)
	}
	w.wantReply(w.ask(0), notLinked, "the access token is withdrawn")
	if w.disk.Link.Refresh.Reveal() != "Atzr|one" {
		t.Error("the refresh token was thrown away: one wrong answer of Amazon's would cost the link")
	}
	var tries []time.Duration
	start := w.now
	for w.now < start+5*hour {
		if w.m.inCall.id != 0 {
			tries = append(tries, (w.now - start).Round(time.Second))
			w.answer(answered{err: errRevoked})
		}
		w.pass(time.Second)
	}
	if len(tries) != 3 || tries[0] != time.Minute || tries[1] < 10*time.Minute || tries[1] > 10*time.Minute+5*time.Second || tries[2] < hour || tries[2] > hour+10*time.Second {
		t.Errorf("the refused token was tried after %v, want 1, 10 and 60 minutes", tries)
	}
}

func TestWrongRefusalByAmazonMendsItself(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	w.answer(answered{err: errRevoked})
	w.pass(time.Minute)
	w.answer(answered{token: token("Atza|two", hour)})
	w.wantState(Linked, "the token was good after all")
	w.wantReply(w.ask(0), done, "linked again")
	if w.disk.Link.Revoked {
		t.Error("the disk still says that the link was refused")
	}
}

func TestFirstRefreshAfterBootIsSpreadAndAProgramShortensIt(t *testing.T) {
	set := testSettings(MethodCode)
	set.bootSpread = 5 * time.Minute
	w := newWorld(t, set, record{Link: testLink()}, 20*time.Second)
	w.wantNoCall("a street after a blackout")
	q := w.ask(0)
	w.pass(5*time.Second - 1)
	w.answer(answered{token: token("Atza|one", hour)})
	w.wantReply(q, done, "a program that asks waits for 5 s at most of 300")
}

func TestStartLongAfterBootRefreshesAtOnce(t *testing.T) {
	w := newWorld(t, testSettings(MethodCode), record{Link: testLink()}, 11*time.Minute)
	wantCall[refresh](w, "a restart of the service is no blackout")
}

func TestTokenOfTheSameBootIsUsedWithoutACall(t *testing.T) {
	kept := access{Token: lwa.NewSecret("Atza|kept"), Expires: bootUp + 40*time.Minute, Life: hour}
	w := &world{t: t, now: bootUp, replies: map[uint64]reply{}}
	w.m = newMachine(testSettings(MethodCode), record{Link: testLink()}, kept, w.now, time.Unix(0, 0), unlinkedWorld(t).m.rng)
	w.do(ticked{})
	w.wantReply(w.ask(time.Minute), done, "the token is good for 40 minutes")
	w.wantNoCall("a restart of the agent")
}

func TestLifeCountsFromWhenTheRequestWasSent(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	sent := w.now
	w.pass(20 * time.Second) // a slow answer
	w.answer(answered{sent: sent, token: token("Atza|two", hour)})
	if got := w.m.access.Expires; got != sent+hour {
		t.Errorf("the token ends at %v, want %v: it aged on its way", got, sent+hour)
	}
}

func TestTinyLivesDoNotHammer(t *testing.T) {
	w := linkedWorld(t)
	before := count[refresh](w)
	w.do(tokenRefused{token: lwa.NewSecret("Atza|one")})
	for end := w.now + time.Minute; w.now < end; w.pass(10 * time.Millisecond) {
		if w.m.inCall.id != 0 {
			w.answer(answered{token: token("Atza|tiny", time.Nanosecond)})
		}
		w.ask(0)
	}
	if n := count[refresh](w) - before; n > 121 {
		t.Errorf("%d calls in a minute for tokens that live a nanosecond, want at most 2 a second", n)
	}
}

func TestFiveRefusalsInARowAreEnoughForTenMinutes(t *testing.T) {
	w := newWorld(t, testSettings(MethodCode), record{Link: testLink()}, bootUp)
	for range refusalLimit {
		for w.m.inCall.id == 0 {
			w.pass(time.Second)
		}
		w.answer(answered{err: errDown})
	}
	w.pass(backoffCap - time.Second)
	w.wantNoCall("five refusals without a living token")
	w.pass(2 * time.Second)
	wantCall[refresh](w, "one try in ten minutes")
}

func TestRetryAfterIsAFloor(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	start := w.now
	w.answer(answered{err: &lwa.Error{Kind: lwa.Passing, Code: "server", RetryAfter: 7 * time.Minute}})
	for w.m.inCall.id == 0 {
		w.pass(time.Second)
	}
	if wait := w.now - start; wait < 7*time.Minute || wait > 14*time.Minute+time.Second {
		t.Errorf("tried again after %v, want 7 to 14 minutes", wait)
	}
}

func TestAccountIsNamedWhereTheScopesAllow(t *testing.T) {
	w := unlinkedWorld(t)
	w.post("code-one-1234")
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	wantCall[profile](w, "the scopes hold profile")
	w.answer(answered{account: "Ada L."})
	if got := w.m.status().Account; got != "Ada L." || w.disk.Link.Account != got {
		t.Errorf("account is %q, on disk %q", got, w.disk.Link.Account)
	}
}

func TestOtherScopesThanBeforeAreToldToTheLog(t *testing.T) {
	for granted, want := range map[string]int{"": 0, "profile": 0, "profile postal_code": 1, "somebody:else": 1} {
		w := linkedWorld(t)
		w.pass(46 * time.Minute)
		next := token("Atza|two", hour)
		next.Scopes = granted
		w.answer(answered{token: next})
		if n := count[note](w); n != want {
			t.Errorf("scopes %q after %q: %d lines in the log, want %d", granted, "profile", n, want)
		}
		if granted != "" && w.m.status().Scopes[0] != strings.Fields(granted)[0] {
			t.Errorf("status shows %q, want %q", w.m.status().Scopes, granted)
		}
	}
}
