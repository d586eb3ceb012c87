package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEveryTruncationFindsTheGenerationBefore(t *testing.T) {
	t.Parallel()
	d := newStateDir(t)
	if memory := memoryDir(t); memory != "" {
		d.path = filepath.Join(memory, "state") // it is quicker there
	}
	older, newer := fullRecord("older"), fullRecord("newer")
	d.save(older, newer)
	whole := d.read(currentName)
	if len(whole) < 900 {
		t.Fatalf("the record has %d bytes, so little is tried", len(whole))
	}
	s := d.open()
	for n := range whole {
		must(t, os.WriteFile(d.file(currentName), whole[:n], 0o600))
		got, err := s.load()
		if n == len(whole)-1 { // only the last line end is gone
			wantRecord(t, got, newer, "without the last line end")
			continue
		}
		wantRecord(t, got, older, fmt.Sprintf("cut after %d bytes", n))
		if err == nil || !strings.Contains(err.Error(), d.file(currentName)) || !strings.Contains(err.Error(), ".damaged") {
			t.Fatalf("cut after %d bytes: %v; want the file named, and where the evidence is", n, err)
		}
		if kept := d.read(currentName + ".damaged"); !bytes.Equal(kept, whole[:n]) {
			t.Fatalf("cut after %d bytes: %d bytes of evidence are kept", n, len(kept))
		}
	}
}

func TestTwoDamagedFilesAreNotTakenForNotLinked(t *testing.T) {
	d := newStateDir(t)
	d.save(fullRecord("a"), fullRecord("b"))
	must(t, os.Truncate(d.file(currentName), 0)) // what a power cut leaves without fsync
	must(t, os.Truncate(d.file(previousName), 100))
	r, err := d.load()
	wantRecord(t, r, record{}, "both are damaged")
	for _, name := range []string{currentName, previousName} {
		if err == nil || !strings.Contains(err.Error(), name+".damaged") {
			t.Errorf("%v; want %s named: the person must hear that a link was there", err, name+".damaged")
		}
		if _, err := os.Stat(d.file(name + ".damaged")); err != nil {
			t.Errorf("the evidence is gone: %v", err)
		}
	}
	if r, err := d.load(); err != nil || !reflect.DeepEqual(r, record{}) {
		t.Errorf("the start after that: %+v, %v", r, err)
	}
}

func TestOnlyThePreviousFileIsLeft(t *testing.T) {
	d := newStateDir(t)
	d.save(fullRecord("a"), fullRecord("b"))
	must(t, os.Remove(d.file(currentName)))
	got, err := d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("a"), "the newest file was deleted")
}

func TestNoFlippedBitIsBelieved(t *testing.T) {
	t.Parallel()
	text := encodeRecord(fullRecord("a"), 7)
	want, _, err := decodeRecord(text)
	must(t, err)
	for i := range text {
		for bit := range 8 {
			text[i] ^= 1 << bit
			got, _, err := decodeRecord(text)
			if err == nil && !reflect.DeepEqual(got, want) || err != nil && !reflect.DeepEqual(got, record{}) {
				t.Fatalf("bit %d of byte %d flipped: a record came out that nobody saved (%v)", bit, i, err)
			}
			if err == nil || !errors.Is(err, errCorrupt) {
				t.Fatalf("bit %d of byte %d flipped: %v, want damaged", bit, i, err)
			}
			text[i] ^= 1 << bit
		}
	}
}

// The directories that a power cut leaves between the steps of a save, as
// strace shows them.
func TestPowerCutBetweenTheStepsOfASave(t *testing.T) {
	older, newer := fullRecord("older"), fullRecord("newer")
	for name, files := range map[string]map[string][]byte{
		"temporary file empty":        {currentName: encodeRecord(older, 1), currentName + ".tmp": {}},
		"temporary file half written": {currentName: encodeRecord(older, 1), currentName + ".tmp": encodeRecord(newer, 2)[:500]},
		"temporary file whole":        {currentName: encodeRecord(older, 1), currentName + ".tmp": encodeRecord(newer, 2)},
		"linked":                      {currentName: encodeRecord(older, 1), currentName + ".tmp": encodeRecord(newer, 2), previousName + ".tmp": encodeRecord(older, 1)},
		"previous in place":           {currentName: encodeRecord(older, 1), currentName + ".tmp": encodeRecord(newer, 2), previousName: encodeRecord(older, 1)},
		"done":                        {currentName: encodeRecord(newer, 2), previousName: encodeRecord(older, 1)},
	} {
		d := newStateDir(t)
		d.open().close()
		for file, text := range files {
			must(t, os.WriteFile(d.file(file), text, 0o600))
		}
		want := older
		if name == "done" {
			want = newer
		}
		got, err := d.load()
		must(t, err)
		wantRecord(t, got, want, name)
		d.save(fullRecord("next"))
		got, err = d.load()
		must(t, err)
		wantRecord(t, got, fullRecord("next"), name+", then saved again")
		must(t, os.Remove(d.file(currentName)))
		got, err = d.load()
		must(t, err)
		wantRecord(t, got, want, name+", then saved again: the generation before")
		if left, _ := filepath.Glob(d.file("*.tmp")); len(left) != 0 {
			t.Errorf("%s: %v is left over, with a token in it", name, left)
		}
	}
}

func TestStrangeFilesInTheStateDirectoryAreSurvived(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "link.json")
	must(t, os.WriteFile(elsewhere, encodeRecord(fullRecord("foreign"), 1), 0o600))
	for name, put := range map[string]func(path string) error{
		"a link":      func(path string) error { return os.Symlink(elsewhere, path) },
		"a FIFO":      func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a megabyte":  func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600) },
	} {
		d := newStateDir(t)
		d.save(fullRecord("a"), fullRecord("b"))
		must(t, os.Remove(d.file(currentName)))
		must(t, put(d.file(currentName)))
		got, err := d.load()
		if err == nil {
			t.Errorf("%s in place of the record is taken without a word", name)
		}
		wantRecord(t, got, fullRecord("a"), name)
		must(t, os.RemoveAll(d.file(currentName)))
		must(t, put(d.file(currentName)))
		if _, err := LookAtState(d.path); err == nil {
			t.Errorf("%s in place of the record: doctor finds nothing wrong", name)
		}
	}
}

// deadDisk reads nothing and renames nothing, as one that the kernel has made
// read-only after an error, until it is mended.
type deadDisk struct {
	kernel
	mended bool
}

func (d *deadDisk) read(fd int, p []byte) (int, error) {
	if !d.mended {
		return 0, unix.EIO
	}
	return d.kernel.read(fd, p)
}

func (d *deadDisk) rename(dir int, from, to string) error {
	if !d.mended {
		return unix.EROFS
	}
	return d.kernel.rename(dir, from, to)
}

// A disk that does not answer at the start and does later must not cost the link
// that is on it: the offer of a new one would take its place.
func TestWhatCouldNotBeReadIsNotWrittenOver(t *testing.T) {
	d := newStateDir(t)
	d.save(fullRecord("a"), fullRecord("b"))
	current, previous := d.read(currentName), d.read(previousName)
	disk := &deadDisk{}
	s := d.open()
	s.disk = disk
	r, err := s.load()
	wantRecord(t, r, record{}, "nothing can be read")
	if !errors.Is(err, unix.EIO) {
		t.Errorf("%v; want it said", err)
	}
	if err := s.save(record{Codes: []string{"hash"}}); !errors.Is(err, unix.EROFS) {
		t.Errorf("saved on a disk that renames nothing: %v", err)
	}
	disk.mended = true
	must(t, s.save(record{Codes: []string{"hash"}}))
	if !bytes.Equal(d.read(currentName+".damaged"), current) || !bytes.Equal(d.read(previousName+".damaged"), previous) {
		t.Error("the link was written over by a record without one")
	}
	must(t, s.close())
	r, err = d.load()
	must(t, err)
	wantRecord(t, r, record{Codes: []string{"hash"}}, "saved once the disk was mended")
}

func TestUnlinkForgetsWhatCouldNotBeReadToo(t *testing.T) {
	d := newStateDir(t)
	d.save(fullRecord("a"), fullRecord("b"))
	disk := &deadDisk{}
	s := d.open()
	s.disk = disk
	_, _ = s.load()
	disk.mended = true
	must(t, s.forget(record{}))
	if names := d.holding("Atzr|"); len(names) != 0 {
		t.Errorf("after unlink a token stands in %v", names)
	}
}
