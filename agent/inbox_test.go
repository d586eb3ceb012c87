package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
	in := newInbox(paths, kernel{}, slog.New(slog.NewTextHandler(t.Output(), nil)))
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

func must(t testing.TB, err error) {
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
	must(t, r.Offers[0].File.take(kernel{}, "Linked."))
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
		if !PassedOver(name) {
			t.Errorf("%s is not passed over: an editor's file would be taken, or refused in the status", name)
		}
	}
	for _, name := range []string{"code", "code.txt", "RESULT", "result.txt", "4913.txt", "sedan", "sedAbC1234", "Neues Textdokument.txt", "swp", "a#b"} {
		if PassedOver(name) {
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
