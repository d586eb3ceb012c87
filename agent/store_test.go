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

	"lwa-agent/lwa"
)

func TestFilesOfABackupAreNarrowed(t *testing.T) {
	dir := t.TempDir()
	s, err := openStore(dir, kernel{})
	must(t, err)
	must(t, s.save(record{Link: testLink()}))
	must(t, s.save(record{Link: testLink()}))
	_, err = s.serial()
	must(t, err)
	must(t, s.close())
	names, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range names {
		must(t, os.Chmod(filepath.Join(dir, f.Name()), 0o644))
	}
	s, err = openStore(dir, kernel{})
	must(t, err)
	defer s.close()
	for _, f := range names {
		if st, err := os.Stat(filepath.Join(dir, f.Name())); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v), want 0600: cp as root widened it", f.Name(), st.Mode(), err)
		}
	}
}

func TestWhatWasSavedIsThereAfterARestart(t *testing.T) {
	d := newStateDir(t)
	if r, err := d.load(); err != nil || !reflect.DeepEqual(r, record{}) {
		t.Fatalf("a new state directory holds %+v, %v; want nothing and no trouble", r, err)
	}
	for i := range 5 {
		want := fullRecord(fmt.Sprint(i))
		d.save(want)
		got, err := d.load()
		must(t, err)
		wantRecord(t, got, want, "after a restart")
	}
	d.save(record{})
	got, err := d.load()
	must(t, err)
	wantRecord(t, got, record{}, "an empty record")
}

func TestGenerationsCountOnOverRestarts(t *testing.T) {
	d := newStateDir(t)
	d.save(fullRecord("a"), fullRecord("b"))
	d.save(fullRecord("c"))
	_, generation, err := decodeRecord(d.read(currentName))
	_, before, err2 := decodeRecord(d.read(previousName))
	if err = errors.Join(err, err2); err != nil || generation != 4 || before != 3 {
		t.Errorf("generations %d and %d (%v), want 4 and 3 (a new link is written twice): whoever looks at two files must know the newer", generation, before, err)
	}
	s := d.open()
	if _, err := s.load(); err != nil || s.writes != 0 {
		t.Errorf("%d writes for a start (%v): an idle device must not wear its flash out", s.writes, err)
	}
	must(t, s.save(fullRecord("d")))
	if s.writes != 1 {
		t.Errorf("%d writes counted for one save", s.writes)
	}
}

func TestSecretsAreForTheOwnerOnly(t *testing.T) {
	old := unix.Umask(0) // the worst
	defer unix.Umask(old)
	d := newStateDir(t)
	must(t, os.MkdirAll(d.path, 0o755))
	d.save(fullRecord("a"), fullRecord("b"))
	d.serial()
	must(t, os.Chmod(d.file(currentName), 0o644)) // as a backup's restore leaves it
	must(t, os.Chmod(d.path, 0o775))
	got, err := d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("b"), "readable for others")
	st, err := os.Stat(d.path)
	must(t, err)
	if st.Mode().Perm() != 0o700 {
		t.Errorf("state directory has mode %o, want 700", st.Mode().Perm())
	}
	files, err := os.ReadDir(d.path)
	must(t, err)
	if len(files) < 4 {
		t.Fatalf("%v: want both generations, the serial number and the lock", files)
	}
	for _, f := range files {
		if st, err := f.Info(); err != nil || st.Mode() != 0o600 {
			t.Errorf("%s has mode %v (%v), want 600", f.Name(), st.Mode(), err)
		}
	}
}

func TestSecondAgentOnAStateDirectoryIsRefused(t *testing.T) {
	d := newStateDir(t)
	first := d.open()
	second, err := openStore(d.path, kernel{})
	if second != nil || !errors.Is(err, errLocked) || !strings.Contains(err.Error(), "another lwa-agent") || !strings.Contains(err.Error(), d.path) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("second opener: %v; want one line that names another lwa-agent and the directory", err)
	}
	if !strings.Contains(err.Error(), "systemctl stop lwa-agent") {
		t.Errorf("%v; want what to do", err)
	}
	must(t, first.save(fullRecord("a"))) // the first is not disturbed
	must(t, first.close())
	got, err := d.load()
	must(t, err)
	wantRecord(t, got, fullRecord("a"), "after the first has ended")
}

func TestRecordOfANewerVersionIsNotTouched(t *testing.T) {
	text := bytes.Replace(encodeRecord(fullRecord("a"), 5), []byte(`{"version":1,`), []byte(`{"version":2,"new":{"x":1},`), 1)
	body, _, _ := bytes.Cut(text, []byte("\nsha256 "))
	newer := fmt.Appendf(nil, "%s\nsha256 %s\n", body, checksum(body))
	for _, name := range []string{currentName, previousName} {
		d := newStateDir(t)
		d.save(fullRecord("older"))
		if name == previousName {
			must(t, os.Truncate(d.file(currentName), 10))
		}
		must(t, os.WriteFile(d.file(name), newer, 0o600))
		_, err := New(Config{StateDir: d.path, Log: quietLog(), Uptime: Uptime})
		if !errors.Is(err, errNewer) || !strings.Contains(err.Error(), "install that version again") {
			t.Fatalf("%s of version 2: %v; want a refusal that says what to do", name, err)
		}
		if !bytes.Equal(d.read(name), newer) {
			t.Errorf("%s was rewritten: the newer version would find its link gone", name)
		}
		d.open() // the lock is free again
	}
}

func TestUnlinkLeavesNoTokenOnTheDisk(t *testing.T) {
	const token = "Atzr|secret-of-the-old-link"
	old := fullRecord("x")
	old.Link.Refresh = lwa.NewSecret(token)
	old.Candidate = old.Link
	for name, prepare := range map[string]func(d stateDir){
		"two generations": func(stateDir) {},
		"killed within a save": func(d stateDir) {
			must(t, os.WriteFile(d.file(currentName+".tmp"), encodeRecord(old, 9)[:800], 0o600))
			must(t, os.WriteFile(d.file(previousName+".tmp"), encodeRecord(old, 8), 0o600))
		},
		"a damaged file": func(d stateDir) {
			must(t, os.Truncate(d.file(currentName), int64(len(d.read(currentName))-5)))
		},
		"two damaged files": func(d stateDir) {
			must(t, os.Truncate(d.file(currentName), int64(len(d.read(currentName))-5)))
			must(t, os.Truncate(d.file(previousName), int64(len(d.read(previousName))-5)))
		},
	} {
		d := newStateDir(t)
		d.save(old, old, old)
		prepare(d)
		if len(d.holding(token)) == 0 {
			t.Fatal("there is nothing to forget")
		}
		s := d.open()
		_, _ = s.load()
		must(t, s.forget(record{Codes: []string{"hash"}}))
		if names := d.holding(token); len(names) != 0 {
			t.Errorf("%s: after unlink the token still stands in %v", name, names)
		}
		must(t, s.save(record{Codes: []string{"hash", "other"}})) // and does not come back
		if names := d.holding(token); len(names) != 0 {
			t.Errorf("%s: after the next save the token stands in %v", name, names)
		}
		must(t, s.close())
		got, err := d.load()
		must(t, err)
		wantRecord(t, got, record{Codes: []string{"hash", "other"}}, "after unlink")
	}
}

func TestSerialNumberIsMadeOnceAndOutlivesUnlink(t *testing.T) {
	d := newStateDir(t)
	first := d.serial()
	s := d.open()
	must(t, s.save(fullRecord("a")))
	must(t, s.forget(record{}))
	must(t, s.close())
	if again := d.serial(); again != first {
		t.Errorf("after unlink it is %q, want %q: the person's account would show a second device", again, first)
	}
	if other := newStateDir(t).serial(); other == first {
		t.Errorf("another device has %q as well", other)
	}
	must(t, os.WriteFile(d.file(serialName), nil, 0o600))
	if anew := d.serial(); anew == first {
		t.Error("an empty file gives the old number: where is that kept?")
	}
}
