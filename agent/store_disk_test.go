package agent

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest/harness"
)

// smallDisk mounts 64 KiB of memory; the test runs in a namespace of its own.
func smallDisk(t *testing.T) stateDir {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		harness.Missing(t, "no tmpfs can be mounted here: "+err.Error())
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return stateDir{t, filepath.Join(dir, "state")}
}

// fill writes until there is no space left, and returns the file that took it.
func (d stateDir) fill() string {
	d.t.Helper()
	path := filepath.Join(filepath.Dir(d.path), "filler")
	f, err := os.Create(path)
	must(d.t, err)
	defer f.Close()
	for _, size := range []int{4096, 1} {
		for err == nil {
			_, err = f.Write(bytes.Repeat([]byte("x"), size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			d.t.Fatalf("filling the disk: %v", err)
		}
		err = nil
	}
	return path
}

func TestFullDiskKeepsTheOldRecord(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	d := smallDisk(t)
	d.save(fullRecord("a"), fullRecord("b"))
	filler := d.fill()
	s := d.open() // with the lock file there already
	if _, err := s.load(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.save(fullRecord("c")); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("save on a full disk: %v, want no space left", err)
		}
	}
	if left, _ := filepath.Glob(d.file("*.tmp")); len(left) != 0 || s.writes != 0 {
		t.Errorf("%v left over, %d writes counted", left, s.writes)
	}
	must(t, s.close())
	got, err := d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("b"), "after saves that failed")

	must(t, os.Remove(filler))
	d.save(fullRecord("c"))
	got, err = d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("c"), "space again")
}

func TestFullDiskAtTheFirstStartIsNoCrash(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	d := smallDisk(t)
	must(t, os.MkdirAll(d.path, 0o700))
	filler := d.fill()
	s := d.open()
	if r, err := s.load(); err != nil || !r.Link.isZero() {
		t.Fatalf("load: %+v, %v", r, err)
	}
	if err := s.save(fullRecord("a")); err == nil {
		t.Fatal("a record was saved on a full disk")
	}
	if serial, err := s.serial(); err == nil {
		t.Errorf("the serial number %q was made, and is not on the disk: linking again would make a second device", serial)
	}
	if _, err := openStore(d.path, kernel{}); err == nil {
		t.Error("a second agent opened it")
	}
	must(t, os.Remove(filler))
	must(t, s.save(fullRecord("a")))
	if _, err := s.serial(); err != nil {
		t.Errorf("space again: %v", err)
	}
	must(t, s.close())
	got, err := d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("a"), "space again")
}

func TestReadOnlyStateIsReadAndSaidSo(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	d := smallDisk(t)
	d.save(fullRecord("a"), fullRecord("b"))
	serial := d.serial()
	must(t, os.Chmod(d.path, 0o755))
	must(t, unix.Mount("", filepath.Dir(d.path), "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=64k"))
	s := d.open()
	got, err := s.load()
	must(t, err)
	wantRecord(t, got, fullRecord("b"), "read-only: the link is used from memory")
	if again, err := s.serial(); err != nil || again != serial {
		t.Errorf("serial number %q, %v; want %q", again, err, serial)
	}
	if err := s.writable(); !errors.Is(err, unix.EROFS) {
		t.Errorf("writable gives %v: a read-only disk would be found out by the first code", err)
	}
	if err := s.save(fullRecord("c")); !errors.Is(err, unix.EROFS) || strings.Contains(err.Error(), "\n") {
		t.Errorf("save: %v, want read-only in one line", err)
	}
	if err := s.forget(record{}); !errors.Is(err, unix.EROFS) {
		t.Errorf("forget: %v; whoever unlinks must hear that the token is still on the disk", err)
	}
	if _, err := openStore(d.path, kernel{}); !errors.Is(err, errLocked) {
		t.Errorf("a second agent: %v, want it refused", err)
	}
	must(t, s.close())
	got, err = d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("b"), "read-only, again")
}
