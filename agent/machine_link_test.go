package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
)

func TestAttemptIsSavedBeforeItsQRCodeIsShown(t *testing.T) {
	w := unlinkedWorld(t)
	if w.m.status().AuthorizeURL == "" {
		t.Fatal("an unlinked device with a writable disk offers no authorize URL")
	}
	if w.disk.Attempts[0].State == "" {
		t.Error("the attempt is not on disk: a power cut between scan and drop would make the code useless")
	}

	full := &world{t: t, now: bootUp, full: true, replies: map[uint64]reply{}}
	full.m = newMachine(testSettings(MethodCode), record{}, access{}, bootUp, time.Unix(0, 0), w.m.rng)
	full.do(ticked{})
	if url := full.m.status().AuthorizeURL; url != "" {
		t.Error("a link is offered although its outcome could not be saved: a person would sign in for nothing")
	}
	full.wantProblem("store", "full disk at the start")
	full.full = false
	full.pass(storeRetry)
	if full.m.status().AuthorizeURL == "" {
		t.Error("no link is offered after the disk has space again")
	}
}

func TestCodeIsRecordedBeforeItIsSent(t *testing.T) {
	w := unlinkedWorld(t)
	w.post("code-one-1234")
	wantCall[exchange](w, "a code was handed in")
	if !w.disk.tried(lwa.NewSecret("code-one-1234").Hash()) {
		t.Error("the code went out before its hash was on disk: a power cut now would send it twice")
	}
	w.restart(testSettings(MethodCode))
	q := w.post("code-one-1234")
	w.wantReply(q, bad, "the same code after a power cut")
	w.wantNoCall("a code that was sent once")
}

func TestFullDiskBurnsNoCode(t *testing.T) {
	w := unlinkedWorld(t)
	w.full = true
	q := w.post("code-one-1234")
	w.wantReply(q, notSaved, "full disk")
	if n := count[exchange](w); n != 0 {
		t.Errorf("%d codes were sent that could not be recorded", n)
	}
	w.full = false
	w.post("code-one-1234")
	wantCall[exchange](w, "the same code once the disk has space: it was never sent")
}

func TestDroppedCodeStaysUntilItCanBeRecorded(t *testing.T) {
	w := unlinkedWorld(t)
	w.full = true
	file := testFile("code.txt")
	drop := lwa.Drop{Code: lwa.NewSecret("code-one-1234"), State: w.m.rec.Attempts[0].State}
	w.do(inboxWith(drop, file))
	if n := count[take](w); n != 0 {
		t.Fatal("the file was removed although its code was not tried: the code is lost")
	}
	w.full = false
	w.pass(storeRetry)
	w.do(inboxWith(drop, file))
	wantCall[exchange](w, "space on the disk again")
}

func TestLinkIsSavedBeforeAnybodyHearsOfIt(t *testing.T) {
	w := unlinkedWorld(t)
	file := testFile("code.txt")
	w.do(inboxWith(lwa.Drop{Code: lwa.NewSecret("code-one-1234")}, file))
	before := len(w.effects)
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	w.wantState(Linked, "tokens came")
	kinds := w.effects[before:]
	if _, first := kinds[0].(save); !first {
		t.Errorf("first effect after the tokens is %T, want the save", kinds[0])
	}
	if w.disk.Link.Refresh.Reveal() != "Atzr|one" {
		t.Error("the refresh token is not on disk")
	}
	if count[take](w) != 1 {
		t.Error("the dropped file was not taken: its code would lie there for everybody")
	}
	if w.disk.Attempts != ([2]lwa.Attempt{}) {
		t.Error("the attempt is still on disk after its tokens were saved")
	}
}

func TestLinkThatCannotBeSavedIsKeptAndSaid(t *testing.T) {
	w := unlinkedWorld(t)
	w.post("code-one-1234")
	w.full = true
	w.answer(answered{token: linkToken("Atza|one", "Atzr|one", hour)})
	w.wantState(Linked, "the tokens are good although the disk is full")
	w.wantProblem("store", "a power cut would lose the link")
	w.full = false
	w.pass(15 * time.Minute)
	if w.disk.Link.Refresh.Reveal() != "Atzr|one" {
		t.Error("the save was not repeated when the disk had space")
	}
	if w.m.status().LastError != nil {
		t.Error("the status still complains after the save worked")
	}
}

func TestRefusedCodeBringsANewQRCodeAndTheOldOneStillCounts(t *testing.T) {
	w := unlinkedWorld(t)
	old := w.m.rec.Attempts[0]
	w.post("code-one-1234")
	w.answer(answered{err: errSpent})
	w.wantState(Unlinked, "Amazon refused the code")
	if w.m.rec.Attempts[0] == old || w.m.rec.Attempts[1] != old {
		t.Fatal("want a new attempt, and the old one as second: somebody may be signing in with it")
	}
	w.do(codePosted{question: 99, drop: lwa.Drop{Code: lwa.NewSecret("code-two-1234"), State: old.State}})
	w.pass(codeEvery)
	if got := wantCall[exchange](w, "a code of the QR code before").attempt; got != old {
		t.Error("the code of the old attempt goes out with another verifier")
	}
}

func TestOutageBurnsTheCodeButNotTheQRCode(t *testing.T) {
	w := unlinkedWorld(t)
	url := w.m.status().AuthorizeURL
	w.post("code-one-1234")
	w.answer(answered{err: errDown})
	w.wantState(Unlinked, "the code may have been used, so it is not sent again")
	if got := w.m.status().AuthorizeURL; got != url {
		t.Error("the QR code changed: one that somebody just scanned is no good any more")
	}
	if n := count[exchange](w); n != 1 {
		t.Errorf("the code was sent %d times", n)
	}
}

func TestCodeWhileLinkedIsNotSent(t *testing.T) {
	w := linkedWorld(t)
	w.wantReply(w.post("code-one-1234"), conflict, "linked, and nobody asked for a new link")
	w.do(inboxWith(lwa.Drop{Code: lwa.NewSecret("code-one-1234")}, testFile("code.txt")))
	if count[exchange](w) != 0 {
		t.Error("a dropped code replaced a link without relink")
	}
}

func TestCodeInTheConfigurationIsTriedOnce(t *testing.T) {
	set := testSettings(MethodCode)
	set.code = lwa.NewSecret("code-one-1234")
	w := newWorld(t, set, record{}, bootUp)
	w.pass(time.Second)
	wantCall[exchange](w, "code = in config.toml")
	w.answer(answered{err: errSpent})
	w.pass(hour)
	w.restart(set)
	w.pass(hour)
	if n := count[exchange](w); n != 1 {
		t.Errorf("the code in config.toml was sent %d times", n)
	}
}

func TestOtherClientIDKeepsTheOldLink(t *testing.T) {
	w := linkedWorld(t)
	other := testSettings(MethodCode)
	other.client.ID = "amzn1.application-oa2-client.other"
	w.do(configured{other})
	w.wantState(Unlinked, "the link belongs to another client id")
	w.wantReply(w.ask(0), notLinked, "a token of another client")
	if w.disk.Link.Refresh.Reveal() != "Atzr|one" {
		t.Error("the link of the old client id was thrown away")
	}
	w.do(configured{testSettings(MethodCode)})
	w.wantState(Linked, "the change was taken back")
	wantCall[refresh](w, "a token for the link that is back")
}

func TestSecretMendedInTheConfigurationIsUsedAtOnce(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	w.answer(answered{err: errConfig})
	w.wantState(Linked, "a wrong secret ends no link")
	w.wantProblem("invalid_client", "wrong secret")
	w.do(configured{testSettings(MethodCode)})
	wantCall[refresh](w, "the configuration was mended")
}

func TestBrokenConfigurationIsSaidAndChangesNothing(t *testing.T) {
	w := linkedWorld(t)
	w.do(configBroken{message: "config.toml:3: unknown key"})
	w.wantState(Linked, "a broken edit")
	w.wantProblem("config", "a broken edit")
	w.do(configured{testSettings(MethodCode)})
	w.wantProblem("", "mended")
}

func TestCodeThatWaitsForAnotherCallIsNotRecordedMeanwhile(t *testing.T) {
	w := linkedWorld(t)
	w.do(relinkAsked{77})
	w.pass(46 * time.Minute)
	wantCall[refresh](w, "the old link is renewed during a relink")
	q := w.post("code-one-1234")
	w.wantReply(q, done, "the code is taken although its turn has not come")
	if w.disk.tried(lwa.NewSecret("code-one-1234").Hash()) {
		t.Error("the code counts as sent while it waits: a power cut would lose it")
	}
	w.answer(answered{token: token("Atza|two", hour)})
	wantCall[exchange](w, "its turn")
}
