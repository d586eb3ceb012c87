package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
)

func TestPairIsSavedBeforeItIsShown(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{}, bootUp)
	wantCall[createPair](w, "an unlinked device")
	w.full = true
	w.answer(answered{pair: testPair("one")})
	if w.m.status().UserCode != "" {
		t.Error("a code is shown although its tokens could not be kept")
	}
	w.full = false
	w.pass(storeRetry)
	w.answer(answered{pair: testPair("two")})
	if s := w.m.status(); s.UserCode != "TWO234" || s.LinkExpiresAt == nil || s.PollSeconds != 30 {
		t.Errorf("want the code, its end and how long it may take, got %+v", s)
	}
}

func TestPollingKeepsTheIntervalAndSlowsDown(t *testing.T) {
	w := pairWorld(t)
	want := []struct {
		wait time.Duration
		err  *lwa.Error
	}{
		{30 * time.Second, errPending},
		{30 * time.Second, errUnsent},
		{30 * time.Second, errDown},
		{30 * time.Second, errSlow},
		{60 * time.Second, errSlow},
		{60 * time.Second, errPending},
	}
	for i, step := range want {
		w.pass(step.wait - 1)
		w.wantNoCall("before the interval is over")
		w.pass(1)
		wantCall[poll](w, "the interval is over")
		w.answer(answered{err: step.err})
		if w.m.status().UserCode == "" {
			t.Fatalf("step %d (%s) ended the offer", i, step.err.Code)
		}
	}
}

func TestSignInIsProvenBeforeLinkedIsSaid(t *testing.T) {
	w := pairWorld(t)
	w.pass(30 * time.Second)
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	w.wantState(Linking, "the tokens came, but nothing proves the client id yet")
	w.wantReply(w.ask(0), notLinked, "no token goes out before the proof")
	if w.disk.Candidate.Refresh.Reveal() != "Atzr|one" {
		t.Error("the tokens are not on disk: the pair is used up, so a power cut now would lose the link")
	}
	w.restart(testSettings(MethodCBL))
	wantCall[refresh](w, "the proof after a power cut")
	w.answer(answered{token: linkToken("Atza|two", "Atzr|two", hour)})
	w.wantState(Linked, "proven")
	if w.disk.Link.Refresh.Reveal() != "Atzr|two" || !w.disk.Candidate.isZero() {
		t.Errorf("on disk: %+v", w.disk.Link)
	}
}

func TestWebClientIDIsFoundOutBeforeLinkedIsSaid(t *testing.T) {
	w := pairWorld(t)
	w.pass(30 * time.Second)
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	w.answer(answered{err: errConfig})
	w.wantState(Unlinked, "the client id is of the wrong kind")
	w.wantProblem("invalid_client", "a person must mend the configuration")
	w.do(configured{testSettings(MethodCBL)})
	wantCall[refresh](w, "mended")
	w.answer(answered{token: token("Atza|one", hour)})
	w.wantState(Linked, "nobody had to sign in again")
}

func TestExpiredPairIsReplaced(t *testing.T) {
	w := pairWorld(t)
	var polls int
	for w.m.pair.UserCode == "ONE234" {
		if w.m.inCall.id != 0 && w.m.inCall.kind == callPoll {
			polls++
			w.answer(answered{err: errPending})
		}
		w.pass(time.Second)
		if s := w.m.status(); s.UserCode != "" && w.now >= w.m.pair.Expires {
			t.Fatal("a dead code is shown")
		}
		if w.m.inCall.id != 0 && w.m.inCall.kind == callMake {
			break
		}
	}
	wantCall[createPair](w, "the first day, so without a pause")
	if polls < 19 {
		t.Errorf("%d polls in ten minutes at 30 s, want 19 or more", polls)
	}
}

func TestCancelOnThePhoneBringsANewCode(t *testing.T) {
	w := pairWorld(t)
	w.pass(30 * time.Second)
	w.answer(answered{err: &lwa.Error{Kind: lwa.Spent, Code: "access_denied", Message: "Cancel was pressed"}})
	wantCall[createPair](w, "a new code")
	w.answer(answered{pair: testPair("two")})
	w.wantProblem("access_denied", "the person is told what happened")
}

func TestServerThatRefusesEveryPairIsNotHammered(t *testing.T) {
	w := pairWorld(t)
	for end := w.now + 10*time.Minute; w.now < end; w.pass(time.Second) {
		switch {
		case w.m.inCall.id == 0:
		case w.m.inCall.kind == callMake:
			w.answer(answered{pair: testPair("next")})
		default:
			w.answer(answered{err: errSpent})
		}
	}
	if n := count[createPair](w); n > 22 {
		t.Errorf("%d pairs in ten minutes, want no more than one in 30 s", n)
	}
}

func TestLivePairSurvivesARestart(t *testing.T) {
	w := pairWorld(t)
	w.pass(31 * time.Second)
	w.answer(answered{err: errPending})
	w.restart(testSettings(MethodCBL))
	if got := w.m.status().UserCode; got != "ONE234" {
		t.Errorf("after a restart the code is %q, want the one that somebody may have scanned", got)
	}
	w.wantNoCall("a restart must not make a new pair")
	w.pass(30 * time.Second)
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	w.wantState(Linking, "signed in while the agent restarted")
}

func TestPairThatIsOutOfDateIsNotShownAgain(t *testing.T) {
	rebooted := testSettings(MethodCBL)
	rebooted.bootID = "boot-2"
	otherScopes := testSettings(MethodCBL)
	otherScopes.client.Scopes = []string{"profile", "postal_code"}
	for why, set := range map[string]settings{
		"the device was rebooted, so nobody knows how old it is": rebooted,
		"it was made for other scopes":                           otherScopes,
	} {
		w := pairWorld(t)
		w.restart(set)
		if code := w.m.status().UserCode; code != "" {
			t.Errorf("the code %s is shown although %s", code, why)
		}
		wantCall[createPair](w, why)
	}
	w := pairWorld(t)
	w.do(configured{otherScopes})
	wantCall[createPair](w, "the scopes were changed while a code was shown")
}

func TestForgottenDeviceAsksForTenMinutesInEachHour(t *testing.T) {
	t.Parallel()
	w := pairWorld(t)
	made, polls := 0, 0
	start := w.now
	for w.now < start+48*hour {
		if w.now == start+24*hour+5*time.Second {
			made = 0
		}
		switch {
		case w.m.inCall.id == 0:
		case w.m.inCall.kind == callMake:
			if w.now > start+25*hour {
				made++
			}
			w.answer(answered{pair: testPair("next")})
		case w.m.inCall.kind == callPoll:
			polls++
			w.answer(answered{err: errPending})
		}
		w.pass(5 * time.Second)
	}
	if made < 21 || made > 24 {
		t.Errorf("%d pairs on the second day, want one in each hour", made)
	}
	for w.m.pair.isLive() {
		w.pass(5 * time.Second)
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errPending})
		}
	}
	if w.m.status().NextLinkAt == nil {
		t.Error("the status does not say when the next code comes")
	}
	w.do(attended{})
	wantCall[createPair](w, "somebody ran link")
}

func TestRelinkByCodeKeepsTheOldLinkUntilTheProof(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{Link: testLink()}, bootUp)
	w.answer(answered{token: token("Atza|old", hour)})
	w.do(relinkAsked{77})
	w.answer(answered{pair: testPair("one")})
	w.pass(30 * time.Second)
	w.answer(answered{token: linkToken("Atza|new", "Atzr|new", hour)})
	w.wantState(Linked, "the old link")
	w.wantReply(w.ask(0), done, "the old token goes out until the new link is proven")
	if w.m.access.Token.Reveal() != "Atza|old" {
		t.Error("a token of the unproven link is handed out")
	}
	w.answer(answered{token: token("Atza|proof", hour)})
	if w.m.access.Token.Reveal() != "Atza|proof" || w.disk.Link.Refresh.Reveal() != "Atzr|new" {
		t.Error("the proven link is not in use")
	}
}

func TestPairsThatCannotBeKeptAreNotAskedForAllDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testSettings(MethodCBL), record{}, bootUp)
	w.full = true
	for end := w.now + 24*hour; w.now < end; w.pass(time.Second) {
		if w.m.inCall.id != 0 {
			w.answer(answered{pair: testPair("one")})
		}
	}
	if n := count[createPair](w); n > 400 {
		t.Errorf("%d code pairs in a day that nobody could see", n)
	}
}

func TestSomebodyHereDoesNotOverruleTheServer(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{}, bootUp)
	w.answer(answered{err: &lwa.Error{Kind: lwa.Passing, Code: "server", RetryAfter: time.Hour}})
	due := w.m.newPair.due
	w.pass(attendEvery)
	w.do(attended{})
	if w.m.newPair.due != due {
		t.Errorf("a pair in %v, want %v as the server asked", w.m.newPair.due-w.now, due-w.now)
	}

	w = newWorld(t, testSettings(MethodCBL), record{}, bootUp)
	w.pass(attendEvery)
	for range 100 {
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errUnsent})
		}
		w.do(attended{})
	}
	if n := count[createPair](w); n > 3 {
		t.Errorf("%d requests because a program said a hundred times in a moment that somebody is here", n)
	}
}
