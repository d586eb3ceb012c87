package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// exhausted is a kernel that has no file descriptor to give.
type exhausted struct {
	kernel
	err error
}

func (d exhausted) openDir(string, int) (int, error)                { return -1, d.err }
func (d exhausted) openBeneath(int, string, int) (int, error)       { return -1, d.err }
func (d exhausted) open(int, string, int, uint32) (fd int, e error) { return -1, d.err }

// TestWantOfFileDescriptorsHasItsOwnCure: who is told to free space, or to drop the
// file again, looks in the wrong place.
func TestWantOfFileDescriptorsHasItsOwnCure(t *testing.T) {
	for err, cure := range map[error]string{unix.EMFILE: "LimitNOFILE=", unix.ENFILE: "fs.file-max"} {
		disk := exhausted{err: err}
		s, failed := openStore(t.TempDir(), disk)
		must(t, failed)
		a := &Agent{store: s, disk: disk}
		if hint := a.cureOfStore(s.save(record{})); !strings.Contains(hint, cure) {
			t.Errorf("%v of the state directory: %q; want %s", err, hint, cure)
		}
		must(t, s.close())
		if hint := missingDirHint(packagedSpool, err); !strings.Contains(hint, cure) {
			t.Errorf("%v of the drop directory: %q; want %s", err, hint, cure)
		}
		if r := refuseReading(droppedFile{dir: "/d", name: "code"}, err); !strings.Contains(r.Hint, cure) {
			t.Errorf("%v of a dropped file: %+v; want %s", err, r, cure)
		}
		told, _ := a.take(take{file: droppedFile{dir: "/d", name: "code"}}).(taken)
		if !strings.Contains(told.trouble.Hint, cure) {
			t.Errorf("%v when a code is taken away: %+v; want %s", err, told, cure)
		}
	}
}

// TestImmutableFileIsToldWithTheCommandThatFreesIt: "chown", which was said, fails
// on it as well.
func TestImmutableFileIsToldWithTheCommandThatFreesIt(t *testing.T) {
	dir := newStateDir(t)
	dir.save(fullRecord("a"), fullRecord("b"))
	inbox := t.TempDir()
	code := filepath.Join(inbox, "code")
	write(t, code, droppedText)
	for _, path := range []string{dir.file(currentName), code} {
		immutable(t, path)
	}
	s, err := openStore(dir.path, kernel{})
	must(t, err)
	defer s.close()
	_, err = s.load()
	must(t, err)
	a := &Agent{store: s, disk: kernel{}}
	err = s.save(fullRecord("c"))
	if hint := a.cureOfStore(err); err == nil || !strings.Contains(hint, "chattr -i") || !strings.Contains(hint, "lsattr -a "+dir.path) {
		t.Errorf("a record that is immutable: %v, %q; want the command that frees it", err, hint)
	}
	var st unix.Stat_t
	must(t, unix.Stat(code, &st))
	told, _ := a.take(take{file: identify(inbox, "code", &st)}).(taken)
	if !strings.Contains(told.trouble.Hint, "chattr -i") || !strings.Contains(told.trouble.Hint, "lsattr -a "+inbox) {
		t.Errorf("a dropped code that is immutable: %+v; want the command that frees it", told)
	}
}

// immutable is chattr +i (ioctl_iflags(2)) until the test ends.
func immutable(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	const flag = 0x10 // FS_IMMUTABLE_FL
	before, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, before|flag)
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no immutable files here: %v", err)
		}
		t.Skipf("SKIPPED, NOT TESTED: no immutable files here, without root or on this file system: %v", err)
	}
	t.Cleanup(func() {
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		must(t, unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, before))
	})
}
