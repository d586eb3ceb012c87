package agent

import (
	"testing"
	"time"
)

// At a server whose old refresh token is good no more, the answer that is under
// way holds the only one that is.
func TestConfigurationThatIsChangedDuringARefreshCostsNoRotatedToken(t *testing.T) {
	other := testSettings(MethodCode)
	other.client.ID = "amzn1.application-oa2-client.other"
	rotated := answered{token: linkToken("Atza|two", "Atzr|two", hour)}
	for name, first := range map[string]event{"answered, then changed back": rotated, "changed back, then answered": configured{testSettings(MethodCode)}} {
		w := linkedWorld(t)
		w.pass(46 * time.Minute)
		wantCall[refresh](w, "half of the token's life is over")
		rotated.call = w.m.inCall.id
		w.do(configured{other})
		w.wantState(Unlinked, "the link belongs to another client id")
		w.wantReply(w.ask(0), notLinked, "a token of another client")
		if _, back := first.(configured); back {
			w.do(first)
			w.do(rotated)
		} else {
			w.do(rotated)
			w.wantReply(w.ask(0), notLinked, "the answer is of another client's link")
			w.do(configured{testSettings(MethodCode)})
			wantCall[refresh](w, "a token for the link that is back")
		}
		if got := w.disk.Link.Refresh.Reveal(); got != "Atzr|two" {
			t.Errorf("%s: the refresh token on the disk is %s, and Amazon takes Atzr|two alone", name, got)
		}
		w.wantState(Linked, name)
	}
}

func TestConfigurationThatIsChangedDuringAProofCostsNoRotatedToken(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{Candidate: testLink()}, bootUp)
	wantCall[refresh](w, "the proof of a new link")
	proof := w.m.inCall.id
	other := testSettings(MethodCBL)
	other.client.ID = "amzn1.application-oa2-client.other"
	w.do(configured{other})
	w.do(answered{call: proof, token: linkToken("Atza|two", "Atzr|two", hour)})
	if got := w.disk.Candidate.Refresh.Reveal(); got != "Atzr|two" || !w.disk.Link.isZero() {
		t.Errorf("the refresh token on the disk is %s, and Amazon takes Atzr|two alone", got)
	}
	w.do(unlinkAsked{99})
	w.do(configured{testSettings(MethodCBL)})
	if w.disk.hasLink() {
		t.Error("a link is back after unlink")
	}
}

func TestUnlinkDuringTheRefreshOfALinkThatIsKeptLeavesNothing(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	call := w.m.inCall.id
	other := testSettings(MethodCode)
	other.client.ID = "amzn1.application-oa2-client.other"
	w.do(configured{other})
	w.do(unlinkAsked{99})
	w.do(answered{call: call, token: linkToken("Atza|two", "Atzr|two", hour)})
	if w.disk.hasLink() {
		t.Errorf("%s came to the disk after unlink", w.disk.Link.Refresh.Reveal())
	}
}
