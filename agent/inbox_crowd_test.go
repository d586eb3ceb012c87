package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// With junk by the hundred thousand a look stays cheap, and the code is found.
func TestJunkDoesNotHideACode(t *testing.T) { // not with others, whose memory would count
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
func TestNothingSwappedInIsOpened(t *testing.T) { // not with others, which take their time from the looks
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
	often := func() bool { return offered >= looks/50 && refused >= looks/50 }
	i := 0
	for ; i < looks || i < 100*looks && !often(); i++ { // on a busy machine the two may take turns for long
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
	t.Logf("%d looks: the file met %d times, another thing %d times, 0 wrong opens; %d took more than 50 ms, the longest %v", i, offered, refused, slow, longest)
	if !often() {
		t.Error("one of them was met too rarely, so this shows little")
	}
	if slow > i/1000 { // a busy machine may lose a few to the scheduler
		t.Errorf("%d looks took more than 50 ms: something is waited for", slow)
	}
}
