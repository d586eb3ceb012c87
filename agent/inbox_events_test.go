package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
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
func TestOverflowOfEventsIsFollowedByALook(t *testing.T) {
	t.Parallel()
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
		missing(t, "only root can make files of others")
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
	gid := os.Getegid()
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

// With junk by the hundred thousand a look stays cheap, and the code is found.
func TestJunkDoesNotHideACode(t *testing.T) {
	t.Parallel()
	many := 10_000
	if deep {
		many = 100_000
	}
	dir := memoryDir(t)
	if dir == "" {
		dir = t.TempDir() // the same, only slower
	}
	for i := range many {
		name := fmt.Sprintf("junk%06d", i)
		if i%2 == 0 {
			name = "." + name // passed over by its name
		}
		must(t, unix.Mknod(filepath.Join(dir, name), unix.S_IFREG|0o644, 0))
	}
	must(t, os.WriteFile(filepath.Join(dir, "code"), []byte(droppedText+"\n"), 0o644))
	s := &spool{dir: dir, disk: kernel{}, any: true}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	var r inboxReport
	s.look(begin, &r)
	took := time.Since(begin)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if len(r.Offers) != 1 || !strings.Contains(r.Trouble.Message, "more than 256 files") {
		t.Errorf("%d offers, trouble %+v; want the code, and the junk said", len(r.Offers), r.Trouble)
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 4<<20 {
		t.Errorf("%d KiB are kept after a look at %d files", kept>>10, many)
	}
	if limit := time.Duration(many) * 50 * time.Microsecond; took > limit {
		t.Errorf("a look at %d files took %v, want less than %v", many, took, limit)
	}
	t.Logf("a look at %d files took %v", many, took)
}

// Links, FIFOs and devices are swapped in for the file while it is read: what
// is offered is only ever the file's text, and no look is ever held up.
func TestNothingSwappedInIsOpened(t *testing.T) {
	t.Parallel()
	looks := 2000
	if deep {
		looks = 100_000
	}
	dir := memoryDir(t)
	if dir == "" {
		dir = t.TempDir()
	}
	outside := filepath.Join(t.TempDir(), "shadow")
	write(t, outside, "AAAAAAAAAAAAAAAAAAAA\n")
	path := filepath.Join(dir, "code")
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, path, droppedText+"\n")
	write(t, at(".neighbour"), "BBBBBBBBBBBBBBBBBBBB\n")
	traps := []string{".link", ".near", ".hard", ".fifo", ".dir"}
	must(t, errors.Join(
		os.Symlink(outside, at(".link")), os.Symlink(".neighbour", at(".near")), os.Link(at(".neighbour"), at(".hard")),
		unix.Mkfifo(at(".fifo"), 0o600), os.Mkdir(at(".dir"), 0o700),
	))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				trap := at(traps[i/2%len(traps)])
				if err := unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, trap, unix.RENAME_EXCHANGE); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	s := &spool{dir: dir, disk: kernel{}, names: []string{"code"}}
	offered, refused, slow := 0, 0, 0
	var longest time.Duration
	for i := range looks {
		var r inboxReport
		begin := time.Now()
		s.look(begin.Add(time.Duration(i)*time.Second), &r)
		took := time.Since(begin)
		longest = max(longest, took)
		if took > 50*time.Millisecond {
			slow++
		}
		for _, o := range r.Offers {
			offered++
			if o.Drop.Code.Reveal() != droppedText {
				t.Fatalf("look %d offered %q, which was swapped in", i, o.Drop.Code.Reveal())
			}
		}
		refused += len(r.Refusals)
	}
	t.Logf("%d looks: the file met %d times, another thing %d times, 0 wrong opens; %d took more than 50 ms, the longest %v", looks, offered, refused, slow, longest)
	if offered < looks/50 || refused < looks/50 {
		t.Error("one of them was met too rarely, so this shows little")
	}
	if slow > looks/1000 { // a busy machine may lose a few to the scheduler
		t.Errorf("%d looks took more than 50 ms: something is waited for", slow)
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
