package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

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
	if want := "run as root: install -d -m 3770 -o "; !strings.HasPrefix(r.Trouble.Hint, want) || !strings.HasSuffix(r.Trouble.Hint, `it'\''s/spool'`) {
		t.Errorf("hint %q, want %s… with the path quoted for a shell", r.Trouble.Hint, want)
	}
	if got, want := missingDirHint(packagedSpool, unix.ENOENT), "run as root: systemd-tmpfiles --create"; got != want {
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

func TestThousandsOfFilesDoNotHideACode(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	if dir == "" {
		dir = t.TempDir() // the same, only slower
	}
	junk := 2_000
	if deep {
		junk = 10_000
	}
	for i := range junk {
		write(t, filepath.Join(dir, fmt.Sprintf("junk%05d", i)), "x")
	}
	in := startInbox(t, dir+"/")
	r := await(t, in, "a warning", troubles("more than 256 files"))
	for range 3 {
		write(t, filepath.Join(dir, "code.txt"), droppedText+"\n")
		r = await(t, in, "the code among junk", offers(droppedText))
		must(t, r.Offers[0].File.take(kernel{}, "Linked."))
		await(t, in, "junk only", func(r inboxReport) bool { return len(r.Offers) == 0 })
	}
	if len(r.Refusals) > lookLimit {
		t.Errorf("%d refusals, want at most %d: a report must stay small", len(r.Refusals), lookLimit)
	}
}
