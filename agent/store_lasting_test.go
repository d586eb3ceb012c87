package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

// overlayOn mounts an overlay over two directories of base; the test runs in a
// namespace of its own.
func overlayOn(t *testing.T, base string) (merged, upper string) {
	t.Helper()
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		must(t, os.Mkdir(filepath.Join(base, name), 0o755))
	}
	merged, upper = filepath.Join(base, "merged"), filepath.Join(base, "upper")
	options := "userxattr,lowerdir=" + filepath.Join(base, "lower") + ",upperdir=" + upper + ",workdir=" + filepath.Join(base, "work")
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		harness.Missing(t, "no overlay can be mounted here: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(merged, unix.MNT_DETACH) })
	return merged, upper
}

func TestStateThatDoesNotSurviveAReboot(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	memory := t.TempDir()
	must(t, unix.Mount("tmpfs", memory, "tmpfs", 0, "size=1m"))
	defer unix.Unmount(memory, unix.MNT_DETACH)
	onMemory, _ := overlayOn(t, memory)
	onDisk, _ := overlayOn(t, t.TempDir())
	var disk unix.Statfs_t
	must(t, unix.Statfs(onDisk+"/..", &disk))
	for dir, want := range map[string]string{memory: "in memory", onMemory: "changes are in memory", onDisk: "", t.TempDir(): ""} {
		s, err := openStore(filepath.Join(dir, "state"), kernel{})
		must(t, err)
		if inMemoryOnly(uint32(disk.Type)) && want == "" {
			want = "in memory" // so is the disk of this machine
		}
		if w := s.lasting(); want == "" && w != (Warning{}) || !strings.Contains(w.Message, want) || want != "" && w.Hint == "" {
			t.Errorf("%s: %+v, want %q", dir, w, want)
		}
		s.close()
	}
	for kind, fat := range map[uint32]bool{0x4d44: true, 0x2011bab0: true, 0xef53: false, 0x9123683e: false} {
		if isFAT(kind) != fat {
			t.Errorf("file system %#x taken for FAT: %v", kind, !fat)
		}
	}
}

func TestUpperDirectoryThatASandboxHidesIsFoundByItsMount(t *testing.T) {
	mounts := parseMounts(`22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/media/root-ro,upperdir=/no\040such/root-rw/upper,workdir=/w
23 22 0:21 / /no\040such rw - ext4 /dev/mmcblk0p2 rw
24 23 0:22 / /no\040such/root-rw rw shared:1 - tmpfs tmpfs-root rw,size=100k
nonsense
`)
	if len(mounts) != 3 || mounts[0].options["upperdir"] != "/no such/root-rw/upper" || mounts[0].device != "0:20" {
		t.Fatalf("mounts %+v", mounts)
	}
	if !isInMemory(mounts[0].options["upperdir"], mounts) || isInMemory("/no such/other", mounts) || isInMemory("/no such/root-rwx", mounts) {
		t.Error("the mount that the upper directory lies on was not found")
	}
}

func TestCopiedCardIsWarnedOfAndNotRefused(t *testing.T) {
	t.Parallel()
	warned := func(h *house) bool {
		for _, w := range h.status().Warnings {
			if w.Code == "other_board" {
				return w.Hint != "" && strings.Contains(h.log.String(), w.Message)
			}
		}
		return false
	}
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.shutDown()
		h.cfg.BoardID = "board-a"
		h.powerOn()
		h.link()
		h.restart()
		if warned(h) {
			t.Error("a restart on the same board is warned of")
		}
		h.shutDown()
		h.cfg.BoardID = ""
		h.powerOn()
		if warned(h) {
			t.Error("a board that cannot be told is warned of")
		}
		h.shutDown()
		h.cfg.BoardID = "board-b"
		h.powerOn()
		h.pass(time.Minute)
		h.wantState(Linked, "another board: boards are swapped when one breaks")
		h.wantToken("on another board")
		if !warned(h) {
			t.Errorf("nothing is said: %+v", h.status().Warnings)
		}
		h.change(func(id uint64) event { return relinkAsked{id} })
		h.post(h.signIn())
		h.until("linked anew", time.Minute, func() bool { return h.onDisk().Link.Board == "board-b" })
		if warned(h) {
			t.Error("the warning stays after a link of this board")
		}
	})
	if id := BoardID(); id != BoardID() || id != "" && len(id) != 32 {
		t.Errorf("this device is called %q", id)
	}
}
