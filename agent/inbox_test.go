package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
)

const (
	droppedText  = "ANBzsjhYZmNCTeAszagk"
	droppedState = "0123456789abcdefABCDEF"
	droppedURL   = "https://localhost:9745/authresponse?code=" + droppedText + "&scope=profile&state=" + droppedState

	// Nothing here takes longer than a second, but on a busy machine.
	patience = 20 * time.Second
)

// startInbox runs an inbox until the test ends, and waits for its end then.
func startInbox(t *testing.T, paths ...string) *inbox {
	t.Helper()
	in := newInbox(paths, slog.New(slog.NewTextHandler(t.Output(), nil)))
	runInbox(t, in, func() {})
	return in
}

func runInbox(t *testing.T, in *inbox, prepare func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		prepare()
		in.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Error("the inbox did not end: something in it blocks")
		}
	})
}

// await reads reports until one fits, and fails when none does.
func await(t *testing.T, in *inbox, what string, fits func(inboxReport) bool) inboxReport {
	t.Helper()
	deadline := time.After(patience)
	var last inboxReport
	for {
		select {
		case last = <-in.reports():
			if fits(last) {
				return last
			}
		case <-deadline:
			t.Fatalf("%s: did not come about in %v; the last report was %+v", what, patience, last)
		}
	}
}

func offers(code string) func(inboxReport) bool {
	return func(r inboxReport) bool { return len(r.Offers) == 1 && r.Offers[0].Drop.Code.Reveal() == code }
}

func refuses(path, why string) func(inboxReport) bool {
	return func(r inboxReport) bool {
		return slices.ContainsFunc(r.Refusals, func(x refusal) bool { return x.Path == path && strings.Contains(x.Message, why) })
	}
}

func troubles(why string) func(inboxReport) bool {
	return func(r inboxReport) bool { return strings.Contains(r.Trouble.Message, why) }
}

func troublesNot(r inboxReport) bool { return r.Trouble == (refusal{}) }

func isQuiet(r inboxReport) bool {
	return len(r.Offers) == 0 && len(r.Refusals) == 0 && r.Trouble == (refusal{})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// memoryDir is a new directory on a tmpfs; empty where there is none.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "lwa-agent-test-")
	if err != nil {
		return ""
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDroppedCodeIsOffered(t *testing.T) {
	dir := t.TempDir()
	in := startInbox(t, dir+"/")
	await(t, in, "an empty directory", isQuiet)
	write(t, filepath.Join(dir, "code.txt"), droppedText+"\n")
	r := await(t, in, "a code", offers(droppedText))
	if got, want := r.Offers[0].File.path(), filepath.Join(dir, "code.txt"); got != want {
		t.Errorf("offered from %s, want %s", got, want)
	}
}

func TestCodeThatWasThereBeforeTheStartIsOffered(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "any name"), droppedURL)
	in := startInbox(t, dir+"/")
	r := await(t, in, "a code from before", offers(droppedText))
	if r.Offers[0].Drop.State != droppedState {
		t.Errorf("state %q, want %q", r.Offers[0].Drop.State, droppedState)
	}
}

func TestOfferIsRepeatedAtEachRescanUntilItIsTaken(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "code"), droppedText+"\n")
	in := startInbox(t, dir+"/")
	r := await(t, in, "a code", offers(droppedText))
	for range 3 {
		in.rescan()
		if again := await(t, in, "the code again", offers(droppedText)); again.Offers[0] != r.Offers[0] {
			t.Fatalf("offered as %+v, then as %+v; an untouched file must stay the same to the loop", r.Offers[0], again.Offers[0])
		}
	}
	must(t, r.Offers[0].File.take("Linked."))
	await(t, in, "nothing more", isQuiet)
}

func TestFileMovedIntoPlaceIsOffered(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	in := startInbox(t, dir+"/")
	await(t, in, "an empty directory", isQuiet)
	write(t, filepath.Join(elsewhere, "code"), droppedText)
	must(t, os.Rename(filepath.Join(elsewhere, "code"), filepath.Join(dir, "code")))
	await(t, in, "a file that was never written here", offers(droppedText))
}

func TestOneFileCountsWhereOneIsConfigured(t *testing.T) {
	dir := t.TempDir()
	in := startInbox(t, filepath.Join(dir, ".code"))
	await(t, in, "an empty directory", isQuiet)
	write(t, filepath.Join(dir, "other"), "nonsense here")
	write(t, filepath.Join(dir, "another"), "BBBBBBBBBBBBBBBBBBBB\n")
	write(t, filepath.Join(dir, ".code"), droppedText+"\n")
	r := await(t, in, "the configured file, though its name begins with a dot", offers(droppedText))
	if len(r.Refusals) != 0 {
		t.Errorf("refused %+v, want other files left alone: the directory is not ours", r.Refusals)
	}
}

func TestPathsInOneDirectoryOfferAFileOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "code"), droppedText+"\n")
	in := startInbox(t, dir+"/", filepath.Join(dir, "code"), dir+"/")
	await(t, in, "one offer", offers(droppedText))
}

func TestFilesOfEditorsArePassedOver(t *testing.T) {
	for _, name := range []string{
		"RESULT.txt", ".RESULT", ".code.txt.swp", ".goutputstream-X1", "code.txt~", "code.swp", "code.swx", "4913",
		"#9988337", "#code#", "sedAbC123", "code.tmp", "code.part", "code.filepart",
	} {
		if !passedOver(name) {
			t.Errorf("%s is not passed over: an editor's file would be taken, or refused in the status", name)
		}
	}
	for _, name := range []string{"code", "code.txt", "RESULT", "result.txt", "4913.txt", "sedan", "sedAbC1234", "Neues Textdokument.txt", "swp", "a#b"} {
		if passedOver(name) {
			t.Errorf("%s is passed over: a person would wait for ever", name)
		}
	}
}

func TestRefusedTextIsLookedAtAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "code.txt")
	write(t, path, "short")
	in := startInbox(t, dir+"/")
	await(t, in, "a refusal", refuses(path, "shorter than 10"))
	write(t, path, droppedText+"\n")
	if r := await(t, in, "the corrected file", offers(droppedText)); len(r.Refusals) != 0 {
		t.Errorf("still refused: %+v", r.Refusals)
	}
}

func TestRemovedFileIsForgotten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "code.txt")
	write(t, path, "short")
	in := startInbox(t, dir+"/")
	await(t, in, "a refusal", refuses(path, "shorter"))
	must(t, os.Remove(path))
	await(t, in, "quiet again: the status must not complain of what is gone", isQuiet)
}

func TestDirectoryRemovedAndMadeAgainIsWatchedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	must(t, os.Mkdir(dir, 0o700))
	in := startInbox(t, dir+"/")
	await(t, in, "a quiet start", isQuiet)
	for i := range 3 { // ext4 gives the same inode again
		must(t, os.Remove(dir))
		await(t, in, "the missing directory", troubles("does not exist"))
		must(t, os.Mkdir(dir, 0o700))
		write(t, filepath.Join(dir, "code"), droppedText+"\n")
		await(t, in, fmt.Sprintf("a code in the new directory (round %d)", i), offers(droppedText))
		must(t, os.Remove(filepath.Join(dir, "code")))
		await(t, in, "quiet again", isQuiet)
	}
}

func TestDirectoryMovedAwayAndReplacedIsWatchedAgain(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "spool")
	must(t, os.Mkdir(dir, 0o700))
	in := startInbox(t, dir+"/")
	await(t, in, "a quiet start", isQuiet)
	must(t, os.Rename(dir, filepath.Join(parent, "old")))
	must(t, os.Mkdir(dir, 0o700))
	in.rescan()
	await(t, in, "the new directory", isQuiet)
	write(t, filepath.Join(dir, "code"), droppedText+"\n")
	await(t, in, "a code in the new directory", offers(droppedText))
	write(t, filepath.Join(parent, "old", "code"), "BBBBBBBBBBBBBBBBBBBB\n")
	in.rescan()
	await(t, in, "only the new directory", offers(droppedText))
}

func TestMissingDirectoryIsToldWithTheCommandThatMakesIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's", "spool")
	in := startInbox(t, dir+"/")
	r := await(t, in, "trouble", troubles("does not exist"))
	if want := "install -d -m 3770 -o "; !strings.HasPrefix(r.Trouble.Hint, want) || !strings.HasSuffix(r.Trouble.Hint, `it'\''s/spool'`) {
		t.Errorf("hint %q, want %s… with the path quoted for a shell", r.Trouble.Hint, want)
	}
	if got, want := missingDirHint(packagedSpool, unix.ENOENT), "systemd-tmpfiles --create"; got != want {
		t.Errorf("hint for the package's own directory %q, want %q", got, want)
	}
}

func TestDirectoryThatEverybodyCanWriteIsWarnedOf(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777))
	write(t, filepath.Join(dir, "code"), droppedText+"\n")
	in := startInbox(t, dir+"/")
	r := await(t, in, "a warning", troubles("everybody can write"))
	if !offers(droppedText)(r) {
		t.Errorf("report %+v, want the code all the same", r)
	}
	must(t, os.Chmod(dir, 0o777|os.ModeSticky))
	await(t, in, "no warning once it is sticky", troublesNot)
}

func TestTenThousandFilesDoNotHideACode(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	if dir == "" {
		dir = t.TempDir() // the same, only slower
	}
	for i := range 10_000 {
		write(t, filepath.Join(dir, fmt.Sprintf("junk%05d", i)), "x")
	}
	in := startInbox(t, dir+"/")
	r := await(t, in, "a warning", troubles("more than 256 files"))
	for range 3 {
		write(t, filepath.Join(dir, "code.txt"), droppedText+"\n")
		r = await(t, in, "the code among junk", offers(droppedText))
		must(t, r.Offers[0].File.take("Linked."))
		await(t, in, "junk only", func(r inboxReport) bool { return len(r.Offers) == 0 })
	}
	if len(r.Refusals) > lookLimit {
		t.Errorf("%d refusals, want at most %d: a report must stay small", len(r.Refusals), lookLimit)
	}
}

// looker looks at a directory at times of the test's choice.
type looker struct {
	t     *testing.T
	spool *spool
	start time.Time
}

func newLooker(t *testing.T, dir string) *looker {
	return &looker{t, &spool{dir: dir, any: true}, time.Now()}
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
		"code=" + droppedText,
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
	write(t, filepath.Join(dir, "code"), "code="+droppedText)
	l.nothing(0, addressTime, "the state is missing")
	l.offer(addressTime, lwa.Drop{Code: lwa.NewSecret(droppedText), Address: true})

	dir = t.TempDir()
	write(t, filepath.Join(dir, "code"), "code="+droppedText+"\n")
	newLooker(t, dir).offer(0, lwa.Drop{Code: lwa.NewSecret(droppedText), Address: true})
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
