package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
)

func TestRevivedLinkLeavesTheCodeOfARelinkAlone(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{Link: testLink()}, bootUp)
	w.answer(answered{token: token("Atza|old", hour)})
	w.do(relinkAsked{77})
	w.answer(answered{pair: testPair("one")})
	w.do(tokenRefused{token: lwa.NewSecret("Atza|old")})
	w.answer(answered{err: errRevoked})
	for w.m.rec.Link.Revoked {
		w.pass(time.Second)
		switch {
		case w.m.inCall.id == 0:
		case w.m.inCall.kind == callRefresh:
			w.answer(answered{token: token("Atza|old", hour)})
		default:
			w.answer(answered{err: errPending})
		}
	}
	if got := w.m.status().UserCode; got != "ONE234" {
		t.Errorf("the code shown is %q: somebody has just typed the one before", got)
	}
}

func TestRelinkDuringAProofKeepsTheOldLink(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{Link: testLink()}, bootUp)
	w.answer(answered{token: token("Atza|old", hour)})
	w.do(relinkAsked{77})
	w.answer(answered{pair: testPair("one")})
	w.pass(30 * time.Second)
	w.answer(answered{token: linkToken("Atza|new", "Atzr|new", hour)})
	proof := w.m.inCall.id
	w.do(relinkAsked{78})
	w.do(answered{call: proof, token: token("Atza|x", hour)})
	if w.disk.Link != testLink() {
		t.Errorf("the link on disk is %+v, want the old one: it serves until a new one works", w.disk.Link)
	}
}

func TestRelinkKeepsTheOldLinkUntilTheNewOneWorks(t *testing.T) {
	w := linkedWorld(t)
	w.do(relinkAsked{77})
	w.wantReply(77, done, "relink")
	w.wantState(Linked, "during a relink")
	if w.m.status().AuthorizeURL == "" {
		t.Fatal("no way to link is shown during a relink")
	}
	w.restart(testSettings(MethodCode))
	if w.m.status().AuthorizeURL == "" {
		t.Error("a restart forgot the relink")
	}
	w.answer(answered{token: token("Atza|two", hour)})
	w.wantReply(w.ask(0), done, "the old link hands out tokens meanwhile")
	w.post("code-one-1234")
	w.answer(answered{err: errSpent})
	w.wantState(Linked, "the new code was refused, so the old link stays")
	w.pass(codeEvery)
	w.post("code-two-1234")
	w.pass(codeEvery)
	w.answer(answered{token: linkToken("Atza|new", "Atzr|new", hour)})
	if got := w.disk.Link.Refresh.Reveal(); got != "Atzr|new" {
		t.Errorf("the refresh token on disk is %q, want the new link's", got)
	}
	if w.m.status().AuthorizeURL != "" {
		t.Error("a way to link is still shown after the relink")
	}
}

func TestCanceledRelinkLeavesTheLinkAlone(t *testing.T) {
	w := linkedWorld(t)
	w.do(relinkAsked{77})
	w.do(relinkCanceled{78})
	w.wantReply(78, done, "cancel")
	if s := w.m.status(); s.State != Linked || s.AuthorizeURL != "" {
		t.Errorf("after a canceled relink: %+v", s)
	}
}

func TestUnlinkForgetsTheTokensAndOffersALink(t *testing.T) {
	w := linkedWorld(t)
	w.do(unlinkAsked{77})
	w.wantReply(77, done, "unlink")
	w.wantState(Unlinked, "unlink")
	if !w.disk.Link.isZero() || w.m.access != (access{}) {
		t.Error("tokens are still there after unlink")
	}
	w.wantReply(w.ask(0), notLinked, "a program asks after unlink")
	if w.m.status().AuthorizeURL == "" {
		t.Error("no way to link again is shown")
	}
}

func TestAnswerAfterUnlinkIsDropped(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	call := wantCall[refresh](w, "75 % of the hour have passed").call
	w.do(unlinkAsked{77})
	w.do(answered{call: call, sent: w.now, token: linkToken("Atza|late", "Atzr|late", hour)})
	w.wantState(Unlinked, "an answer that was under way when the person unlinked")
	if !w.disk.Link.isZero() {
		t.Error("the link came back after unlink")
	}
}

func TestUnlinkThatCannotBeWrittenSaysSo(t *testing.T) {
	w := linkedWorld(t)
	w.full = true
	w.do(unlinkAsked{77})
	w.wantReply(77, notSaved, "the token is still on the disk, so nobody may believe otherwise")
	w.wantState(Linked, "a failed unlink")
}
