package agent

import (
	"strings"
	"testing"
	"time"
)

// unsavedWorld has a rotated token that a full disk did not take, on a disk that
// has room again.
func unsavedWorld(t *testing.T) *world {
	w := linkedWorld(t)
	w.full = true
	w.pass(46 * time.Minute)
	w.answer(answered{token: linkToken("Atza|two", "Atzr|two", hour)})
	if !strings.Contains(w.m.status().Reason, "would not survive a power cut") {
		t.Fatalf("a full disk, and the status says %q", w.m.status().Reason)
	}
	w.full = false
	return w
}

func TestAnySaveSavesTheLinkThatWasNotSaved(t *testing.T) {
	w := unsavedWorld(t)
	w.do(relinkAsked{77})
	w.wantReply(77, done, "there is room")
	if got := w.disk.Link.Refresh.Reveal(); got != "Atzr|two" {
		t.Fatalf("the disk has %q", got)
	}
	if reason := w.m.status().Reason; !strings.HasPrefix(reason, "a new link is offered") {
		t.Errorf("the link is on the disk, and the status says %q", reason)
	}
	saves := count[save](w)
	w.pass(storeRetryMost)
	if n := count[save](w) - saves; n != 0 {
		t.Errorf("saved %d times more: what is on the disk wears it out", n)
	}
}

func TestUnlinkLeavesNothingToBeSaved(t *testing.T) {
	w := unsavedWorld(t)
	w.do(unlinkAsked{77})
	w.wantReply(77, done, "there is room")
	saves := count[save](w)
	w.pass(storeRetryMost)
	if n := count[save](w) - saves; n != 0 || w.disk.hasLink() {
		t.Errorf("%d saves after an unlink, and a link on the disk: %v", n, w.disk.hasLink())
	}
}
