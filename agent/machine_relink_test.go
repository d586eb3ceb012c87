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
