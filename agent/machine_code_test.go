package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
)

func TestOutageUsesUpNoTries(t *testing.T) {
	w := unlinkedWorld(t)
	w.post("code-one-1234")
	for end := w.now + 6*time.Minute; w.now < end; w.pass(time.Second) {
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errUnsent})
		}
	}
	if n := count[exchange](w); n <= codesLimit {
		t.Fatalf("%d tries in the outage: too few to prove anything", n)
	}
	w.wantReply(w.post("code-two-1234"), done, "the network is back, and no code was ever sent")
}

func TestRefusedCodeOfAnOlderQRCodeLeavesTheShownOne(t *testing.T) {
	w := unlinkedWorld(t)
	first := w.m.rec.Attempts[0].State
	w.post("code-one-1234")
	w.answer(answered{err: errSpent})
	second := w.m.rec.Attempts[0].State
	w.pass(5 * time.Second)
	w.do(codePosted{question: 99, drop: lwa.Drop{Code: lwa.NewSecret("code-two-1234"), State: first}})
	w.pass(5 * time.Second)
	w.answer(answered{err: errSpent})
	if got := w.m.rec.Attempts[0].State; got != second || got == first {
		t.Errorf("the attempt shown is %s, want %s: no code of it was refused", got, second)
	}
}

func TestCodeWithoutRoomForAnAttemptIsToldOfTheDisk(t *testing.T) {
	w := linkedWorld(t)
	w.do(unlinkAsked{5})
	w.m.rec.Attempts = [2]lwa.Attempt{}
	w.full, w.m.offerDue = true, w.now
	w.do(ticked{})
	r := w.wantReply(w.post("code-one-1234"), notSaved, "waiting will not help: the disk is full")
	if r.problem.Code != "store" {
		t.Errorf("the problem is %+v, want that of the disk", r.problem)
	}
}

func TestRefusedCodeOfTheConfigurationIsForgottenOnceLinked(t *testing.T) {
	set := testSettings(MethodCode)
	set.code = lwa.NewSecret("https://localhost:9745/authresponse?code=ANBzsjhYZmNCTeAszagk&state=AAAAAAAAAAAAAAAAAAAAAA")
	w := newWorld(t, set, record{}, bootUp)
	w.pass(time.Second)
	w.wantProblem("foreign_state", "the code in the configuration is from elsewhere")
	w.do(configBroken{"config.toml:3: x", "mend it"})
	w.pass(time.Minute)
	w.wantProblem("config", "the newer problem is not covered by the older one")
	w.do(configured{set})
	w.post("code-two-1234")
	w.answer(answered{token: linkToken("Atza|new", "Atzr|new", hour)})
	w.wantProblem("", "linked in another way")
}

func TestChangedClientEndsAnExchangeOfTheOldOne(t *testing.T) {
	w := unlinkedWorld(t)
	q := w.post("code-one-1234")
	call := w.m.inCall.id
	other := testSettings(MethodCode)
	other.client.ID = "amzn1.application-oa2-client.other"
	w.do(configured{other})
	w.do(answered{call: call, token: linkToken("Atza|one", "Atzr|one", hour)})
	w.wantReply(q, done, "taken, before the change")
	w.wantState(Unlinked, "the tokens belong to another client id than the one that would be written beside them")
}

func TestCalledOffRelinkDropsTheCodeThatWaits(t *testing.T) {
	w := linkedWorld(t)
	w.do(relinkAsked{77})
	w.pass(46 * time.Minute) // a refresh is in flight, so the code waits
	w.post("code-one-1234")
	w.do(relinkCanceled{78})
	w.answer(answered{token: token("Atza|two", hour)})
	w.pass(time.Minute)
	if n := count[exchange](w); n != 0 {
		t.Error("a code was sent for a link that was called off")
	}
}

func TestUnsentCodeIsTriedAgainForFiveMinutes(t *testing.T) {
	w := unlinkedWorld(t)
	w.post("code-one-1234")
	hash := lwa.NewSecret("code-one-1234").Hash()
	start := w.now
	for w.m.code.isHeld() {
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errUnsent})
			if w.m.code.isHeld() && w.disk.tried(hash) {
				t.Fatal("a code that never left counts as used on disk: a restart would lose it")
			}
		}
		w.pass(time.Second)
	}
	if tried := w.now - start; tried < codeLife || tried > codeLife+2*time.Second {
		t.Errorf("an unsent code was given up after %v, want %v: then Amazon would not take it any more", tried, codeLife)
	}
	if n := count[exchange](w); n < 8 {
		t.Errorf("an unsent code was tried %d times in 5 minutes, want at least 8", n)
	}
	if !w.disk.tried(hash) {
		t.Error("a code that was given up is not recorded: the file could bring it back")
	}
}

func TestUnsentCodeWorksWhenTheNetworkComes(t *testing.T) {
	w := unlinkedWorld(t)
	w.post("code-one-1234")
	w.answer(answered{err: errUnsent})
	w.do(networkChanged{})
	wantCall[exchange](w, "a person waits, and the network just came")
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	w.wantState(Linked, "network back")
}

func TestForeignStateIsRefusedAndTheFileStays(t *testing.T) {
	w := unlinkedWorld(t)
	w.do(inboxWith(lwa.Drop{Code: lwa.NewSecret("code-one-1234"), State: "AAAAAAAAAAAAAAAAAAAAAA", Address: true}, testFile("code.txt")))
	w.wantProblem("foreign_state", "an address of another device")
	if count[take](w)+count[exchange](w) != 0 {
		t.Error("a foreign address was taken or sent: that is how a stranger's account gets linked")
	}
	if w.disk.tried(lwa.NewSecret("code-one-1234").Hash()) {
		t.Error("refused text is remembered")
	}
}

func TestCancelAtAmazonIsSaidAsWhatItIs(t *testing.T) {
	w := unlinkedWorld(t)
	w.do(inboxWith(lwa.Drop{Error: "access_denied", State: w.m.rec.Attempts[0].State, Address: true}, testFile("code.txt")))
	w.wantProblem("access_denied", "the person pressed Cancel")
	if count[take](w) != 1 || count[exchange](w) != 0 {
		t.Error("want the file taken and nothing sent")
	}
}

func TestTwoCodesAtOnceAreTriedOneAfterTheOther(t *testing.T) {
	w := unlinkedWorld(t)
	first := w.post("code-one-1234")
	w.wantReply(first, done, "the first code")
	w.wantReply(w.post("code-two-1234"), conflict, "a second code while the first is tried")
	w.do(inboxWith(lwa.Drop{Code: lwa.NewSecret("code-two-1234")}, testFile("two.txt")))
	if n := count[exchange](w); n != 1 {
		t.Fatalf("%d codes in flight", n)
	}
	w.answer(answered{err: errDown})
	w.do(inboxWith(lwa.Drop{Code: lwa.NewSecret("code-two-1234")}, testFile("two.txt")))
	w.pass(codeEvery)
	wantCall[exchange](w, "the dropped file is offered again, and its turn has come")
}

func TestTenCodesInTenMinutesAreEnough(t *testing.T) {
	w := unlinkedWorld(t)
	for i := range codesLimit {
		q := w.post("code-number-" + string(rune('a'+i)))
		w.wantReply(q, done, "within the limit")
		w.pass(codeEvery)
		w.answer(answered{err: errDown})
	}
	w.wantReply(w.post("code-number-z"), tooMany, "a local loop must not throttle the client id of a fleet")
	w.pass(codesSpan)
	w.wantReply(w.post("code-number-z"), done, "ten minutes later")
}
