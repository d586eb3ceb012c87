//go:build deep

package agent

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest/harness"
)

var powerCuts = flag.Int("cuts", 300, "how often TestAcknowledgedSaveSurvivesAPowerCut cuts the power")

// card is an ext4 file system on a loop device: the SD card.
type card struct {
	t      *testing.T
	loop   string // /dev/loop…
	mount  string
	starts int
}

func newCard(t *testing.T) *card {
	t.Helper()
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "card")
	must(t, os.Mkdir(mount, 0o755))
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 32<<20))
	command(t, "mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image)
	c := &card{t: t, mount: mount, loop: strings.TrimSpace(command(t, "losetup", "--find", "--show", image))}
	t.Cleanup(func() {
		_ = unix.Unmount(mount, 0)
		command(t, "losetup", "--detach", c.loop)
	})
	c.powerOn()
	return c
}

// withCard runs the test again where nobody else sees its mounts: a copy of one
// in another namespace would keep the file system of before the cut alive.
func withCard(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		harness.Missing(t, "only root can mount an SD card")
	}
	return harness.Again(t, harness.Place{
		Attr:  &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS},
		Flags: []string{fmt.Sprint("-cuts=", *powerCuts)},
	})
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		harness.Missing(t, err.Error())
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		harness.Missing(t, fmt.Sprintf("%s %v: %v: %s", name, args, err, out))
	}
	return string(out)
}

// powerOn mounts: the kernel replays the journal.
func (c *card) powerOn() {
	c.t.Helper()
	c.starts++
	must(c.t, unix.Mount(c.loop, c.mount, "ext4", 0, ""))
}

// powerOff is EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (ioctl_ext4(2),
// linux/fs/ext4/ext4.h): from now on nothing that the kernel has in memory
// reaches the card.
func (c *card) powerOff() {
	c.t.Helper()
	dir, err := os.Open(c.mount)
	must(c.t, err)
	defer dir.Close()
	const shutdown, noLogFlush = 0x8004587d, 2
	must(c.t, unix.IoctlSetPointerInt(int(dir.Fd()), shutdown, noLogFlush))
}

func (c *card) unmount() {
	c.t.Helper()
	must(c.t, unix.Unmount(c.mount, 0))
}

// written is how many KiB the card was written, by the kernel's count (sectors
// of 512 bytes; Documentation/block/stat.rst).
func (c *card) written() int {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(c.loop), "stat"))
	must(c.t, err)
	sectors, err := strconv.Atoi(strings.Fields(string(text))[6])
	must(c.t, err)
	return sectors / 2
}

// withoutSync is the kernel that is never told to wait for the card.
type withoutSync struct{ kernel }

func (withoutSync) fsync(int) error { return nil }

// The plug is pulled at random moments of saves that follow one another: what
// save has acknowledged is there, nothing is damaged. The control, without
// fsync, loses, or this would show nothing.
func TestAcknowledgedSaveSurvivesAPowerCut(t *testing.T) {
	if savesForOthers(t) || !withCard(t) {
		return
	}
	c := newCard(t)
	lost, saves := c.cut(*powerCuts, kernel{})
	fmt.Printf("FIGURE power cuts: %d lost of %d, %d saves\n", lost, *powerCuts, saves)
	if lost != 0 {
		t.Errorf("%d of %d acknowledged saves were lost", lost, *powerCuts)
	}
	control, _ := c.cut(max(10, *powerCuts/10), withoutSync{})
	fmt.Printf("FIGURE control without fsync: %d lost of %d\n", control, max(10, *powerCuts/10))
	if control == 0 {
		t.Error("without fsync nothing is lost either, so the cuts cut nothing")
	}
}

// cut cuts the power so often, and returns how many acknowledged saves were not there after it.
func (c *card) cut(times int, disk fileSystem) (lost, saves int) {
	rng := rand.New(rand.NewPCG(1, uint64(times)))
	for i := range times {
		d := stateDir{c.t, filepath.Join(c.mount, "state")}
		must(c.t, os.RemoveAll(d.path))
		d.save(fullRecord("start")) // always with fsync
		s, err := openStore(d.path, disk)
		must(c.t, err)
		_, err = s.load()
		must(c.t, err)
		ended := make(chan int)
		go func() { ended <- saveUntilItFails(s) }()
		<-time.After(time.Duration(rng.Int64N(int64(20 * time.Millisecond))))
		c.powerOff()
		acked := <-ended
		must(c.t, s.close())
		c.unmount()
		c.powerOn()
		got, err := d.load()
		if err != nil {
			c.t.Errorf("cut %d, after %d acknowledged saves: %v", i, acked, err)
		}
		found := -1
		if got.Link.Refresh == fullRecord("start").Link.Refresh {
			found = 0
		} else if n := len(got.Codes); n > 0 {
			found, _ = strconv.Atoi(got.Codes[n-1])
			wantRecord(c.t, got, numbered(found), "after the cut")
		}
		if found < acked || found > acked+1 {
			lost++
		}
		saves += acked
	}
	return lost, saves
}

// numbered is the n-th record of a story: one whose length changes, with
// another token each time and now and then another link.
func numbered(n int) record {
	r := rotated(fullRecord(strings.Repeat("x", n%900)), fmt.Sprint("Atzr|", n))
	r.Link.Since = r.Link.Since.Add(time.Duration(n/10) * time.Hour)
	r.Codes = []string{strconv.Itoa(n)}
	return r
}

func saveUntilItFails(s *store) (acked int) {
	for s.save(numbered(acked+1)) == nil {
		acked++
	}
	return acked
}

// A save of a rotated token may cost 30 KiB of flash, and what is acknowledged
// costs nothing more.
func TestASaveCostsTheCardLittle(t *testing.T) {
	if !withCard(t) {
		return
	}
	c := newCard(t)
	d := stateDir{t, filepath.Join(c.mount, "state")}
	d.save(numbered(1))
	s := d.open()
	defer s.close()
	_, err := s.load()
	must(t, err)
	unix.Sync()
	const saves = 200
	before := c.written()
	for i := range saves {
		must(t, s.save(rotated(numbered(1), fmt.Sprint("Atzr|", i))))
	}
	unix.Sync()
	each := float64(c.written()-before) / saves
	fmt.Printf("FIGURE %.1f KiB are written for a save\n", each)
	if each > 30 {
		t.Errorf("%.1f KiB for a save, want at most 30", each)
	}
	must(t, s.close())
}
