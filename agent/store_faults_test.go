package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
)

// inMemory is a state directory where saves cost nothing.
func inMemory(t *testing.T) stateDir {
	t.Helper()
	if memory := memoryDir(t); memory != "" {
		return stateDir{t, filepath.Join(memory, "state")}
	}
	return newStateDir(t)
}

// rotated is the record after a refresh that brought a new token.
func rotated(r record, token string) record {
	r.Link.Refresh = lwa.NewSecret(token)
	return r
}

// relinked is the record after another sign-in.
func relinked(r record, token string) record {
	r.Link.Since = r.Link.Since.Add(time.Hour)
	return rotated(r, token)
}

// On a disk with a cache the power is cut after each call of each save, with
// every outcome that a disk may give: the record is the old one or the new
// one, and once save has returned it is the new one.
func TestPowerCutAfterEachCallLeavesTheOldOrTheNewRecord(t *testing.T) {
	t.Parallel()
	d := inMemory(t)
	first := fullRecord("first")
	before := rotated(first, "Atzr|before")
	d.save(first, before)
	s := d.open()
	_, err := s.load()
	must(t, err)
	c := newCache(d, currentName, previousName)
	s.disk = c
	allowed := []record{before}
	forgotten := false
	tried, cuts := 0, map[string]bool{}
	cut := stateDir{t, filepath.Join(filepath.Dir(d.path), "cut")}
	c.inject = func() {
		tried++
		c.cuts(func(what string, files map[string][]byte) {
			if key := fmt.Sprintf("%s %q", allowed[len(allowed)-1].Link.Refresh.Hash(), files); cuts[key] {
				return
			} else {
				cuts[key] = true
			}
			must(t, os.RemoveAll(cut.path))
			must(t, os.MkdirAll(cut.path, 0o700))
			for name, text := range files {
				must(t, os.WriteFile(cut.file(name), text, 0o600))
			}
			got, err := (&store{dir: cut.path, disk: kernel{}}).load()
			if err != nil {
				t.Fatalf("call %d, %s: %v", tried, what, err)
			}
			for _, want := range allowed {
				if reflect.DeepEqual(got, want) {
					return
				}
			}
			t.Fatalf("call %d, %s: the record is of %q, want one of %d", tried, what, got.Link.Refresh.Hash(), len(allowed))
		})
	}
	for _, next := range []record{rotated(before, "Atzr|rotated"), relinked(before, "Atzr|other"), {Codes: []string{"a"}}, first} {
		allowed = append(allowed, next)
		if next.Link.isZero() {
			must(t, s.forget(next))
			forgotten = true
		} else {
			must(t, s.save(next))
		}
		allowed = []record{next}
		c.inject() // acknowledged: only the new one will do
		if forgotten {
			c.cuts(func(what string, files map[string][]byte) {
				for name, text := range files {
					if bytes.Contains(text, []byte("Atzr|other")) {
						t.Errorf("%s: after unlink %s still holds the token", what, name)
					}
				}
			})
		}
	}
	if tried < 50 || len(cuts) < 30 {
		t.Errorf("only %d calls and %d different cuts were tried", tried, len(cuts))
	}
	t.Logf("%d calls, %d different cuts", tried, len(cuts))
}

// Each call of load and save fails in each way: no error is swallowed, nothing
// is lost, and the disk that works again is written as if nothing had been.
func TestEachCallOfASaveMayFail(t *testing.T) {
	t.Parallel()
	first := fullRecord("first")
	before, next := rotated(first, "Atzr|before"), rotated(first, "Atzr|next")
	after := relinked(first, "Atzr|after")
	base := inMemory(t)
	base.save(first, before)
	fired := 0
	for _, f := range faults() {
		for at := 1; ; at++ {
			d := stateDir{t, fmt.Sprintf("%s %s %d", base.path, f.name, at)}
			must(t, os.CopyFS(d.path, os.DirFS(base.path)))
			bad := &badDisk{fault: f, at: at}
			s, err := openStore(d.path, bad)
			must(t, err)
			what := fmt.Sprintf("%s at call %d", f.name, at)
			found, trouble := s.load()
			switch {
			case reflect.DeepEqual(found, before):
			case trouble == nil:
				t.Fatalf("%s: load gives another record and says nothing", what)
			case !reflect.DeepEqual(found, first) && !reflect.DeepEqual(found, record{}):
				t.Fatalf("%s: load gives a record that nobody saved", what)
			}
			err = s.save(next)
			must(t, s.close())
			if !bad.fired {
				break
			}
			fired++
			got, err2 := d.load()
			switch {
			case err == nil && !bad.crash:
				wantRecord(t, got, next, what+": saved")
			case reflect.DeepEqual(got, next) || reflect.DeepEqual(got, before):
			case reflect.DeepEqual(got, first) && trouble != nil: // what could not be read is kept as evidence
			default:
				t.Fatalf("%s: after %v the record is of %q (%v), want the old or the new one", what, err, got.Link.Refresh.Hash(), err2)
			}
			d.save(after) // fails when anything of the fault is left
			got, err = d.load()
			must(t, err)
			wantRecord(t, got, after, what+", and saved again")
			must(t, os.Remove(d.file(currentName)))
			got, err = d.load()
			must(t, err)
			wantRecord(t, got, after, what+", and saved again: a new link is in both generations")
			must(t, os.RemoveAll(d.path))
		}
	}
	if fired < 100 {
		t.Errorf("only %d faults came up", fired)
	}
	t.Logf("%d faults", fired)
}

// badSync fails the next syncs of a file, and any write to a file that was
// there already.
type badSync struct {
	kernel
	fails int
}

func (d *badSync) open(dir int, name string, flags int, mode uint32) (int, error) {
	if flags&unix.O_CREAT != 0 && flags&unix.O_EXCL == 0 {
		return -1, errors.New("a file that may be there already is written to")
	}
	return d.kernel.open(dir, name, flags, mode)
}

func (d *badSync) fsync(int) error {
	if d.fails > 0 {
		d.fails--
		return unix.EIO
	}
	return nil
}

// After a failed fsync the kernel has thrown the pages away and reports success
// the next time. Only a new file is safe.
func TestFailedSyncIsNotTriedAgainOnTheSameFile(t *testing.T) {
	d := inMemory(t)
	d.save(fullRecord("a"))
	s := d.open()
	_, err := s.load()
	must(t, err)
	s.disk = &badSync{fails: 1}
	if err := s.save(fullRecord("b")); !errors.Is(err, unix.EIO) {
		t.Fatalf("save: %v, want the error of fsync", err)
	}
	if left, _ := filepath.Glob(d.file("*.tmp")); len(left) != 0 {
		t.Errorf("%v is left, and could be taken for good", left)
	}
	must(t, os.WriteFile(d.file(currentName+".tmp"), []byte("left by a crash"), 0o600))
	must(t, s.save(fullRecord("b")))
	must(t, s.close())
	got, err := d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("b"), "saved in a new file")
}

func TestUnreadableFileFallsBackToTheGenerationBefore(t *testing.T) {
	for name, err := range map[string]error{"EIO": unix.EIO, "ESTALE": unix.ESTALE, "EUCLEAN": unix.EUCLEAN} {
		d := inMemory(t)
		d.save(fullRecord("a"), rotated(fullRecord("a"), "Atzr|b"))
		s := d.open()
		s.disk = &failingRead{err: err}
		got, trouble := s.load()
		wantRecord(t, got, fullRecord("a"), name)
		if trouble == nil || !errors.Is(trouble, err) {
			t.Errorf("%s: %v; want it said", name, trouble)
		}
		must(t, s.save(rotated(fullRecord("a"), "Atzr|c")))
		must(t, s.close())
		got, err := d.load()
		must(t, err)
		wantRecord(t, got, rotated(fullRecord("a"), "Atzr|c"), name+", saved")
	}
}

// failingRead fails the first read.
type failingRead struct {
	kernel
	err  error
	done bool
}

func (d *failingRead) read(fd int, p []byte) (int, error) {
	if !d.done {
		d.done = true
		return 0, d.err
	}
	return d.kernel.read(fd, p)
}

// A damaged file that cannot be set aside must not become the previous one:
// a crash before the new one is in place would leave two damaged files.
func TestDamagedFileIsNeverKeptAsThePreviousOne(t *testing.T) {
	d := inMemory(t)
	d.save(fullRecord("a"), rotated(fullRecord("a"), "Atzr|b"))
	must(t, os.Truncate(d.file(currentName), 100))
	s := d.open()
	s.disk = &noRename{}
	got, trouble := s.load()
	wantRecord(t, got, fullRecord("a"), "the generation before")
	if trouble == nil {
		t.Error("nothing is said of the damage")
	}
	if err := s.save(rotated(fullRecord("a"), "Atzr|c")); err == nil {
		t.Fatal("saved without a rename")
	}
	must(t, s.close())
	got, _ = d.load()
	wantRecord(t, got, fullRecord("a"), "after a save that failed")
}

// noRename renames nothing but the previous generation.
type noRename struct{ kernel }

func (d noRename) rename(dir int, from, to string) error {
	if to == previousName {
		return d.kernel.rename(dir, from, to)
	}
	return unix.EIO
}

// vfat and some file systems over a network have no hard links.
func TestDiskWithoutHardLinksKeepsThePreviousToo(t *testing.T) {
	for _, err := range []error{unix.EPERM, unix.EOPNOTSUPP, unix.EMLINK} {
		d := inMemory(t)
		s := d.open()
		s.disk = noLinks{err: err}
		must(t, s.save(fullRecord("a")))
		must(t, s.save(rotated(fullRecord("a"), "Atzr|b")))
		must(t, s.close())
		got, err := d.load()
		must(t, err)
		wantRecord(t, got, rotated(fullRecord("a"), "Atzr|b"), "without links")
		must(t, os.Remove(d.file(currentName)))
		got, err = d.load()
		must(t, err)
		wantRecord(t, got, fullRecord("a"), "without links: the generation before")
	}
}

type noLinks struct {
	kernel
	err error
}

func (d noLinks) link(int, string, string) error { return d.err }
