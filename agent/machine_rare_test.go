package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
)

func TestEventsDoNotPutTheTickOff(t *testing.T) {
	w := linkedWorld(t)
	last := w.now
	for range 300 {
		if due := w.m.deadline(); due > last+tickIdle {
			t.Fatalf("with an event each second the next tick is %v after the last: systemd would kill a healthy agent", due-last)
		} else if w.now+time.Second >= due {
			w.now = due
			w.do(ticked{})
			last = w.now
			continue
		}
		w.now += time.Second
		w.do(networkChanged{})
	}
}

func TestClockThatIsSetLaterIsFollowed(t *testing.T) {
	w := linkedWorld(t)
	set := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	w.do(ticked{epoch: set.Add(-w.now)})
	if got := w.m.status().ExpiresAt; got == nil || got.Sub(set) != time.Hour {
		t.Errorf("the token ends at %v, want an hour after %v: on a device without a clock battery the status would show 1970 for ever", got, set)
	}
	if b := bootTime(0); b.String() != b.Round(0).String() {
		t.Error("bootTime has a monotonic part: a clock that is set would not be noticed")
	}
}

func TestTwoRefusedFilesAreNoNewsAgainAndAgain(t *testing.T) {
	w := unlinkedWorld(t)
	foreign := droppedCode{lwa.Drop{Code: lwa.NewSecret("code-one-1234"), State: "AAAAAAAAAAAAAAAAAAAAAA"}, testFile("foreign")}
	other := droppedCode{lwa.Drop{Code: lwa.NewSecret("code-two-1234"), State: "BBBBBBBBBBBBBBBBBBBBBB"}, testFile("foreign too")}
	for range 10 {
		w.do(inboxChecked{offers: []droppedCode{foreign, other}, refused: refusal{"/spool/x", "nonsense", "remove it"}})
		w.pass(5 * time.Second)
	}
	if n := count[warning](w); n != 1 {
		t.Errorf("%d warnings about files that nobody touched, want 1: they go to flash", n)
	}
	w.do(inboxChecked{})
	w.wantProblem("", "the files are gone")
}

func TestFilesThatCannotBeRemovedAreAnsweredOnce(t *testing.T) {
	w := linkedWorld(t)
	for range 10 {
		w.do(inboxChecked{offers: []droppedCode{
			{lwa.Drop{Code: lwa.NewSecret("code-one-1234")}, testFile("a")},
			{lwa.Drop{Code: lwa.NewSecret("code-two-1234")}, testFile("bb")},
		}})
	}
	if n := count[take](w); n != 2 {
		t.Errorf("two files were answered %d times", n)
	}
}

func TestConfigCodeOnAFullDiskWaits(t *testing.T) {
	set := testSettings(MethodCode)
	w := newWorld(t, set, record{}, bootUp)
	w.full = true
	set.code = lwa.NewSecret("code-one-1234")
	w.do(configured{set})
	before := count[save](w)
	w.pass(5 * time.Minute)
	if n := count[save](w) - before; n > 12 {
		t.Errorf("%d tries to save in 5 minutes on a full disk", n)
	}
	w.full = false
	w.pass(time.Minute)
	wantCall[exchange](w, "the disk has space, and the code was never sent")
}

func TestCodeWrittenOverInTheConfigurationIsTriedToo(t *testing.T) {
	set := testSettings(MethodCode)
	set.code = lwa.NewSecret("code-one-1234")
	w := newWorld(t, set, record{}, bootUp)
	w.pass(time.Second)
	w.answer(answered{err: errUnsent})
	set.code = lwa.NewSecret("code-two-1234")
	w.do(configured{set})
	for range 20 {
		w.pass(10 * time.Second)
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errSpent})
		}
	}
	for _, code := range []string{"code-one-1234", "code-two-1234"} {
		if !w.disk.tried(lwa.NewSecret(code).Hash()) {
			t.Errorf("%s was never sent", code)
		}
	}
	if n := count[exchange](w); n != 3 {
		t.Errorf("%d exchanges, want the first code twice (it never left at first) and the second once", n)
	}
}

func TestNetworkThatComesDoesNotOverruleTheServer(t *testing.T) {
	for name, err := range map[string]*lwa.Error{
		"Retry-After":   {Kind: lwa.Passing, Code: "server", RetryAfter: time.Hour},
		"configuration": errConfig,
	} {
		w := linkedWorld(t)
		w.pass(46 * time.Minute)
		w.answer(answered{err: err})
		due := w.m.refresh.due
		w.do(networkChanged{})
		if w.m.refresh.due != due {
			t.Errorf("%s: due in %v after a network event, want %v", name, w.m.refresh.due-w.now, due-w.now)
		}
	}
}

func TestStoppingBurnsNoCode(t *testing.T) {
	w := linkedWorld(t)
	w.do(relinkAsked{77})
	w.pass(46 * time.Minute) // a refresh is in flight
	w.post("code-one-1234")
	w.do(stopping{})
	w.answer(answered{token: token("Atza|two", hour)})
	if w.disk.tried(lwa.NewSecret("code-one-1234").Hash()) || count[exchange](w) != 0 {
		t.Error("a code was recorded or sent by an agent that is stopping, so its answer is lost")
	}
}

func TestRevocationDuringARelinkLeavesTheShownCodeAlone(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{Link: testLink()}, bootUp)
	w.answer(answered{token: token("Atza|old", hour)})
	w.do(relinkAsked{77})
	w.answer(answered{pair: testPair("one")})
	w.do(tokenRefused{token: lwa.NewSecret("Atza|old")})
	w.answer(answered{err: errRevoked})
	if got := w.m.status().UserCode; got != "ONE234" {
		t.Errorf("the code shown is %q: who removes the app and then links anew has just typed the old one", got)
	}
}

func TestRevivedLinkDoesNotForgetACandidate(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{Link: testLink()}, bootUp)
	w.answer(answered{err: errRevoked})
	w.answer(answered{pair: testPair("one")})
	w.pass(30 * time.Second)
	w.answer(answered{token: linkToken("Atza|new", "Atzr|new", hour)})
	w.answer(answered{err: errDown}) // the proof
	for w.m.rec.Link.Revoked {
		w.pass(time.Second)
		if w.m.inCall.kind == callRefresh && w.m.inCall.id != 0 {
			w.answer(answered{token: token("Atza|old", hour)})
		} else if w.m.inCall.id != 0 {
			w.answer(answered{err: errDown})
		}
	}
	if w.m.candidate() && w.m.prove.due == never {
		t.Error("the new link is never proven, and the status says for ever that it is being proven")
	}
}

func TestRelinkGivesUpALinkThatWaitsForAPerson(t *testing.T) {
	w := pairWorld(t)
	w.pass(30 * time.Second)
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	w.answer(answered{err: errConfig})
	w.do(relinkAsked{77})
	w.wantReply(77, done, "relink")
	wantCall[createPair](w, "a new code, since the person asks for one")
}
