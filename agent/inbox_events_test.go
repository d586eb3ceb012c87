package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest/harness"
)

// stuckLog blocks whoever logs, as a journal that hangs does, until it is let go.
type stuckLog struct {
	slog.Handler
	stuck, free chan struct{}
}

func (l *stuckLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *stuckLog) Handle(context.Context, slog.Record) error {
	l.stuck <- struct{}{}
	<-l.free
	return nil
}

// The kernel keeps 16,384 events and then tells only that it lost some. Here
// they are about files that are passed over, so nothing but the loss itself
// tells of the code.
func TestOverflowOfEventsIsFollowedByALook(t *testing.T) { // not with others: each of its 32,768 calls may wait for a processor
	dir := memoryDir(t)
	if dir == "" {
		dir = t.TempDir()
	}
	most, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	var queue int
	_, err = fmt.Sscan(string(most), &queue)
	must(t, err)
	log := &stuckLog{slog.DiscardHandler, make(chan struct{}, 100), make(chan struct{})}
	in := newInbox([]string{dir + "/"}, kernel{}, slog.New(log))
	runInbox(t, in, func() {})
	await(t, in, "the start", isQuiet)
	must(t, os.Chmod(dir, 0o777)) // makes it log
	select {
	case <-log.stuck:
	case <-time.After(patience):
		t.Fatal("the inbox does not log the directory's new mode")
	}
	for i := range queue { // making and removing: two events, and fsnotify holds a few thousand
		path := filepath.Join(dir, fmt.Sprint(".junk", i))
		must(t, unix.Mknod(path, unix.S_IFREG|0o600, 0))
		must(t, unix.Unlink(path))
	}
	write(t, filepath.Join(dir, "code"), droppedText+"\n")
	close(log.free)
	await(t, in, "the code, whose event was lost", offers(droppedText))
}

func TestWatchLimitIsToldAndTheDirectoryPolled(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	must(t, os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("0"), 0o644))
	dir := t.TempDir()
	in := startInbox(t, dir+"/")
	r := await(t, in, "trouble", troubles("looked at every second"))
	if !strings.Contains(r.Trouble.Hint, "max_user_watches") {
		t.Errorf("hint %q, want the limit to raise", r.Trouble.Hint)
	}
	write(t, filepath.Join(dir, "code"), droppedText)
	await(t, in, "the code, found by looking", offers(droppedText))
	must(t, os.WriteFile("/proc/sys/user/max_inotify_watches", []byte("1000"), 0o644))
	await(t, in, "in order once the limit is raised", troublesNot)
}

// As over NFS, and on a USB stick's other machine, a file comes without an event.
func TestFileThatComesWithoutAnEventIsFoundByARescan(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	merged, upper := overlayOn(t, t.TempDir())
	in := startInbox(t, merged+"/")
	await(t, in, "the start", isQuiet)
	write(t, filepath.Join(upper, "code"), droppedText+"\n")
	select {
	case r := <-in.reports():
		t.Fatalf("an event came after all, so this shows nothing: %+v", r)
	case <-time.After(50 * time.Millisecond):
	}
	in.rescan()
	await(t, in, "the code", offers(droppedText))
}

func TestEveryProgramDropsTheWholeAddressOnAnOverlay(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	merged, _ := overlayOn(t, t.TempDir())
	testPieces(t, merged)
	testPrograms(t, merged, t.TempDir(), droppedURL, lwa.Drop{Code: lwa.NewSecret(droppedText), State: droppedState, Address: true})
}

// In a directory like /tmp anybody can drop a file, or leave one under the very
// name that is looked for.
func TestStrangersFileInAnOpenDirectoryDoesNotCount(t *testing.T) {
	if os.Geteuid() != 0 {
		harness.Missing(t, "only root can make files of others")
	}
	dir := t.TempDir()
	code := filepath.Join(dir, "code")
	write(t, code, droppedText+"\n")
	const stranger, owner = 64_321, 64_322
	at := time.Now()
	look := func(mode os.FileMode, uid int) inboxReport {
		t.Helper()
		must(t, os.Chmod(dir, mode))
		must(t, os.Chown(code, uid, 0))
		must(t, os.Chown(dir, owner, 0))
		var r inboxReport
		s := &spool{dir: dir, disk: kernel{}, names: []string{"code"}}
		s.look(at, &r)
		at = at.Add(time.Second)
		s.look(at, &r)
		return r
	}
	open := 0o777 | os.ModeSticky
	if r := look(open, stranger); len(r.Offers) != 0 || !refuses(code, "everybody can write to this directory")(r) || r.Refusals[0].Hint == "" {
		t.Errorf("a stranger's file in an open directory: %+v, want it refused, with what to do", r)
	}
	for who, uid := range map[string]int{"root": 0, "the directory's owner": owner} {
		if r := look(open, uid); len(r.Offers) == 0 {
			t.Errorf("a file of %s in an open directory: %+v, want it offered", who, r)
		}
	}
	if r := look(0o3770, stranger); len(r.Offers) == 0 {
		t.Errorf("a file in a directory that only a group can write: %+v, want it offered: the kernel has asked who drops there", r)
	}
	gid := uint32(os.Getegid())
	if !inGroup(0, gid) || inGroup(stranger, gid) {
		t.Error("root is not in its own group, or nobody knows who is")
	}
}

func TestMountsOverAndAwayAreFoundWhileEverythingMoves(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	parent := t.TempDir()
	dir := filepath.Join(parent, "spool")
	must(t, os.Mkdir(dir, 0o755))
	in := startInbox(t, dir+"/")
	await(t, in, "the start", isQuiet)
	for i := range 5 { // a stick that is pulled and put in again
		must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
		write(t, filepath.Join(dir, "code"), droppedText+"\n")
		in.rescan()
		await(t, in, fmt.Sprintf("round %d: the code that came with the stick", i), offers(droppedText))
		must(t, unix.Unmount(dir, unix.MNT_DETACH))
		in.rescan()
		await(t, in, fmt.Sprintf("round %d: the empty directory", i), isQuiet)
	}
	must(t, os.Remove(dir))
	await(t, in, "no directory, told by its parent", troubles("does not exist"))
}

// What is mounted on a dropped file is a file that nobody dropped.
func TestFileMountedOnADroppedOneIsRefused(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	code := filepath.Join(dir, "code")
	write(t, code, droppedText+"\n")
	write(t, other, "BBBBBBBBBBBBBBBBBBBB\n")
	must(t, unix.Mount(other, code, "", unix.MS_BIND, ""))
	defer unix.Unmount(code, unix.MNT_DETACH)
	in := startInbox(t, dir+"/")
	if r := await(t, in, "a refusal", refuses(code, "another file system")); len(r.Offers) != 0 {
		t.Errorf("offers %+v", r.Offers)
	}
}

// Where nothing tells of a file, the tick finds it: every 5 s while a link is
// offered.
func TestTickLooksAtTheInbox(t *testing.T) {
	a, err := newAgent(Config{StateDir: newStateDir(t).path, Log: quietLog(), Uptime: Uptime})
	must(t, err)
	defer a.close()
	a.inbox = newInbox([]string{t.TempDir() + "/"}, kernel{}, quietLog())
	must(t, a.tick())
	if len(a.inbox.ask) != 1 {
		t.Error("a tick does not have the inbox look: over NFS a code would lie there for ever")
	}
	w := unlinkedWorld(t)
	if due := w.m.deadline(); due > w.now+5*time.Second {
		t.Errorf("while a link is offered the next tick comes after %v, want 5 s", due-w.now)
	}
}
