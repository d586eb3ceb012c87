package agent

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest/harness"
)

// What people, mistakes and attackers leave in a drop directory: none of it is
// opened for good, followed or removed, nothing blocks, and each is told.
func TestHostileFilesAreRefusedWithAReason(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	secret := filepath.Join(outside, "shadow")
	write(t, secret, "AAAAAAAAAAAAAAAAAAAA\n")
	write(t, at(".neighbour"), "AAAAAAAAAAAAAAAAAAAA\n")

	must(t, os.Symlink(secret, at("link")))
	must(t, os.Symlink(".neighbour", at("near-link")))
	must(t, os.Symlink("loop", at("loop")))
	must(t, os.Symlink("nowhere", at("broken-link")))
	must(t, os.Symlink("/proc/self/fd/0", at("magic-link")))
	must(t, os.Link(at(".neighbour"), at("hard-link")))
	must(t, os.Mkdir(at("directory"), 0o700))
	must(t, unix.Mkfifo(at("fifo"), 0o666))
	socket, err := net.Listen("unix", at("socket"))
	must(t, err)
	defer socket.Close()
	write(t, at("huge"), "")
	must(t, os.Truncate(at("huge"), 1<<40))
	write(t, at("large"), strings.Repeat("A", 4097))
	write(t, at("open-to-all"), droppedText+"\n")
	must(t, os.Chmod(at("open-to-all"), 0o666))
	write(t, at("nonsense"), "a letter, perhaps\n")
	write(t, at("page"), "<html></html>\n")
	write(t, at("evil\x1b[2Jname"), "short")
	want := map[string]string{
		at("link"): "symbolic link", at("near-link"): "symbolic link", at("loop"): "symbolic link", at("broken-link"): "symbolic link",
		at("magic-link"): "symbolic link", at("hard-link"): "hard link", at("directory"): "directory", at("fifo"): "FIFO", at("socket"): "socket",
		at("huge"): "larger than 4 KiB", at("large"): "larger than 4 KiB", at("open-to-all"): "everybody can write", at("nonsense"): "more than one word", at("page"): "neither a code",
		`"` + dir + `/evil\x1b[2Jname"`: "shorter than 10",
	}
	if err := unix.Mknod(at("device"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err == nil {
		want[at("device")] = "device" // /dev/zero, which never ends
	}

	in := startInbox(t, dir+"/")
	r := await(t, in, "all refusals", func(r inboxReport) bool { return len(r.Refusals) == len(want) })
	for _, got := range r.Refusals {
		if !strings.Contains(got.Message, want[got.Path]) || want[got.Path] == "" {
			t.Errorf("%s: %s, want %q", got.Path, got.Message, want[got.Path])
		}
		if got.Hint == "" || strings.ContainsAny(got.Path+got.Message+got.Hint, "\x1b\n") {
			t.Errorf("%+v: want a hint, and nothing that a terminal obeys", got)
		}
		if strings.Contains(got.Message+got.Hint, "AAAA") {
			t.Errorf("%+v: tells what is in the file", got)
		}
	}
	if len(r.Offers) != 0 {
		t.Errorf("offers %+v, want none: through a link any file could be sent to Amazon", r.Offers)
	}
	write(t, at("code"), droppedText+"\n")
	await(t, in, "the good file among all of them", offers(droppedText))
	for path := range want {
		if _, err := os.Lstat(path); err != nil && !strings.HasPrefix(path, `"`) {
			t.Errorf("%v: a refused file must stay where it is", err)
		}
	}
}

func TestFIFOIsNotWaitedForEvenWhenItReplacesAFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "code"), droppedText+"\n")
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	var st unix.Stat_t
	must(t, unix.Fstatat(fd, "code", &st, 0))
	for name, replace := range map[string]func(path string) error{
		"a FIFO":       func(path string) error { return unix.Mkfifo(path, 0o666) },
		"a link":       func(path string) error { return os.Symlink("/etc/hostname", path) },
		"a directory":  func(path string) error { return os.Mkdir(path, 0o700) },
		"another file": func(path string) error { return os.WriteFile(path, []byte("BBBBBBBBBBBBBBBBBBBB\n"), 0o600) },
		"nothing":      func(string) error { return nil },
	} {
		must(t, os.RemoveAll(filepath.Join(dir, "code")))
		must(t, replace(filepath.Join(dir, "code")))
		if text, err := readDropped(kernel{}, fd, identify(dir, "code", &st)); !errors.Is(err, errChanged) {
			t.Errorf("replaced by %s: read %q, %v, want %v: what was checked is not what was opened", name, text, err, errChanged)
		}
	}
}

func TestUnreadableFileIsToldAndReadOnceThatIsMended(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "it's code")
	write(t, path, droppedText+"\n")
	must(t, os.Chmod(path, 0o000))
	in := newInbox([]string{dir + "/"}, kernel{}, quietLog())
	prepare := func() {}
	if os.Geteuid() == 0 { // root reads everything, so this one thread becomes somebody else to the file system
		must(t, os.Chmod(filepath.Dir(dir), 0o755))
		must(t, os.Chmod(dir, 0o755))
		prepare = func() {
			runtime.LockOSThread() // and is thrown away
			if err := errors.Join(unix.Setfsgid(65534), unix.Setfsuid(65534)); err != nil {
				t.Error(err)
			}
		}
	}
	runInbox(t, in, prepare)
	r := await(t, in, "a refusal", refuses(path, "cannot be read"))
	want := "chgrp " + ownGroup() + " '" + dir + `/it'\''s code' && chmod 640 '` + dir + `/it'\''s code'`
	if got := r.Refusals[0].Hint; got != want {
		t.Errorf("hint %q, want %q, ready to be pasted", got, want)
	}
	must(t, os.Chmod(path, 0o644)) // inotify tells of nothing but an attribute
	await(t, in, "the code, once it is readable", offers(droppedText))
}

func TestWatcherThatFailsIsMadeAnew(t *testing.T) {
	spools := []*spool{{dir: t.TempDir(), any: true}}
	now := time.Now()
	var w dirWatch
	defer w.close()
	w.ensure(spools, now)
	first := w.notify
	if message, _ := w.trouble(); first == nil || message != "" {
		t.Fatalf("no watch: %s", message)
	}
	w.failed(fsnotify.ErrEventOverflow, now)
	if w.ensure(spools, now); w.notify != first {
		t.Error("an overflow cost the watch; it is alive, only events are missing")
	}
	wait := minWatchWait
	for range 10 {
		w.failed(io.ErrUnexpectedEOF, now)
		if message, hint := w.trouble(); w.events() != nil || message == "" || hint == "" {
			t.Fatalf("after a failure: trouble %q (%q), want the person told and no watch", message, hint)
		}
		if w.ensure(spools, now.Add(wait-1)); w.notify != nil {
			t.Fatalf("tried again before %v were over", wait)
		}
		now = now.Add(wait)
		if w.ensure(spools, now); w.notify == nil || w.notify == first {
			t.Fatalf("not made anew after %v", wait)
		}
		if message, _ := w.trouble(); message != "" {
			t.Fatalf("watching again, and still in trouble: %s", message)
		}
		wait = min(2*wait, maxWatchWait)
	}
}

// inNamespace runs the test again where it may mount, set limits and bring a
// network up, and reports whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	return harness.Again(t, harness.Place{Attr: harness.Namespaces()})
}

func TestWithoutInotifyTheDirectoryIsPolled(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	must(t, os.WriteFile("/proc/sys/user/max_inotify_instances", []byte("0"), 0o644))
	dir := t.TempDir()
	in := startInbox(t, dir+"/")
	r := await(t, in, "trouble", troubles("looked at every second"))
	if !strings.Contains(r.Trouble.Hint, "max_user_instances") {
		t.Errorf("hint %q, want the limit to raise", r.Trouble.Hint)
	}
	write(t, filepath.Join(dir, "code"), droppedText)
	r = await(t, in, "the code, found by looking", offers(droppedText))
	if r.Trouble == (refusal{}) {
		t.Error("the limit is still 0, and the trouble is gone: the person would not raise it")
	}
}

func TestDirectoryMountedOverAndUnmountedIsNoticed(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	in := startInbox(t, dir+"/")
	await(t, in, "a quiet start", isQuiet)
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "")) // a USB stick arrives; inotify tells nobody
	in.rescan()
	await(t, in, "the mounted directory", isQuiet)
	write(t, filepath.Join(dir, "code"), droppedText+"\n")
	await(t, in, "a code on the mounted file system, without a rescan", offers(droppedText))
	must(t, unix.Unmount(dir, unix.MNT_DETACH))
	in.rescan()
	await(t, in, "the directory below", isQuiet)
	write(t, filepath.Join(dir, "code"), droppedURL+"\n")
	await(t, in, "a code in the directory below, without a rescan", offers(droppedText))
}
