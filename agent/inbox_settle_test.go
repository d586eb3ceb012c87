package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
)

// looker looks at a directory at times of the test's choice.
type looker struct {
	t     *testing.T
	spool *spool
	start time.Time
}

func newLooker(t *testing.T, dir string) *looker {
	return &looker{t, &spool{dir: dir, disk: kernel{}, any: true}, time.Now()}
}

func (l *looker) at(after time.Duration) (inboxReport, time.Duration) {
	var r inboxReport
	next := l.spool.look(l.start.Add(after), &r)
	return r, next.Sub(l.start)
}

func (l *looker) nothing(after, wantNext time.Duration, why string) {
	l.t.Helper()
	if r, next := l.at(after); !isQuiet(r) || next != wantNext {
		l.t.Fatalf("after %v: got %+v and another look after %v, want nothing and another look after %v: %s", after, r, next, wantNext, why)
	}
}

func (l *looker) offer(after time.Duration, want lwa.Drop) {
	l.t.Helper()
	if r, _ := l.at(after); len(r.Offers) != 1 || r.Offers[0].Drop != want {
		l.t.Fatalf("after %v: got %+v, want %+v offered", after, r, want)
	}
}

func TestHalfWrittenCodeIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "code")
	l := newLooker(t, dir)
	write(t, path, droppedText[:12])
	l.nothing(0, settleTime, "there is no line end, so more may come")
	l.nothing(settleTime-1, settleTime, "it is not settled yet")
	write(t, path, droppedText)
	l.nothing(settleTime-1, 2*settleTime-1, "it changed, so the wait begins anew")
	l.nothing(2*settleTime-2, 2*settleTime-1, "it is not settled yet")
	l.offer(2*settleTime-1, lwa.Drop{Code: lwa.NewSecret(droppedText)})
}

func TestTextWithALineEndIsReadAtOnce(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "code"), droppedText+end)
		newLooker(t, dir).offer(0, lwa.Drop{Code: lwa.NewSecret(droppedText)})
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "code"), "\xff\xfea\x00b\x00c\x00d\x00e\x00f\x00g\x00h\x00i\x00j\x00\r\x00\n\x00")
	newLooker(t, dir).offer(0, lwa.Drop{Code: lwa.NewSecret("abcdefghij")})
}

func TestAddressCutShortIsWaitedForLonger(t *testing.T) {
	whole := lwa.Drop{Code: lwa.NewSecret(droppedText), State: droppedState, Address: true}
	for _, half := range []string{
		droppedURL[:len(droppedURL)-1],
		droppedURL[:strings.Index(droppedURL, droppedState)],
		"code=" + droppedText + "&scope=profile",
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "code")
		l := newLooker(t, dir)
		write(t, path, half)
		l.nothing(0, addressTime, "the state is cut short")
		l.nothing(addressTime-1, addressTime, "the state is cut short, and 5 s are not over")
		write(t, path, droppedURL)
		l.nothing(addressTime-1, addressTime-1+settleTime, "it changed")
		l.offer(addressTime-1+settleTime, whole)
	}
	dir := t.TempDir()
	l := newLooker(t, dir)
	write(t, filepath.Join(dir, "code"), "code="+droppedText+"&scope=profile")
	l.nothing(0, addressTime, "the state is missing")
	l.offer(addressTime, lwa.Drop{Code: lwa.NewSecret(droppedText), Address: true})
}

func TestAddressThatEndsInItsCodeIsWaitedForLonger(t *testing.T) {
	dir := t.TempDir()
	l := newLooker(t, dir)
	write(t, filepath.Join(dir, "code"), "https://localhost/?state="+droppedState+"&code="+droppedText)
	l.nothing(0, addressTime, "the code may be cut short")
	l.offer(addressTime, lwa.Drop{Code: lwa.NewSecret(droppedText), State: droppedState, Address: true})
}

func TestAssignmentIsWhole(t *testing.T) {
	dir := t.TempDir()
	l := newLooker(t, dir)
	write(t, filepath.Join(dir, "code"), "code="+droppedText)
	l.nothing(0, settleTime, "somebody may still be writing")
	l.offer(settleTime, lwa.Drop{Code: lwa.NewSecret(droppedText)})
}

func TestEmptyFileIsWaitedForInSilence(t *testing.T) {
	dir := t.TempDir()
	l := newLooker(t, dir)
	write(t, filepath.Join(dir, "code"), "")
	l.nothing(0, nothingToDo, "somebody is about to write")
	l.nothing(time.Minute, time.Minute+nothingToDo, "touch is no mistake that a person has to hear of")
}

func TestNonsenseIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "code")
	l := newLooker(t, dir)
	write(t, path, "no code at all\n")
	l.nothing(0, settleTime, "more may come")
	first, _ := l.at(settleTime)
	if !refuses(path, "more than one word")(first) {
		t.Fatalf("got %+v, want it refused", first)
	}
	if len(l.spool.wrongs) != 1 {
		t.Fatalf("%d verdicts kept, want 1: an unchanged file would be read again and again", len(l.spool.wrongs))
	}
	if again, _ := l.at(time.Minute); !again.equal(first) {
		t.Errorf("got %+v, then %+v, want the same refusal", first, again)
	}
	must(t, os.Remove(path))
	l.nothing(2*time.Minute, 2*time.Minute+nothingToDo, "it is gone")
	if len(l.spool.wrongs)+len(l.spool.since) != 0 {
		t.Errorf("%d verdicts and %d times kept of files that are gone; the memory would grow for months", len(l.spool.wrongs), len(l.spool.since))
	}
}
