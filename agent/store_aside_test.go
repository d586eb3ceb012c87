package agent

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// The key's id becomes a part of a file's name.
func TestKeyIDOfARecordLeadsNowhere(t *testing.T) {
	for _, id := range []string{"", "../../../etc/pass", "../etc/passwd/..", "0123456789abcdeF", "0123456789abcdef0", "0123456789abcd/."} {
		d := newStateDir(t)
		d.save(fullRecord("a"))
		must(t, os.WriteFile(d.file(currentName), withChecksum(sealedFile{sealedVersion, sealedCipher, id, true, []byte("x")}), 0o600))
		s, _, err := d.withKey("")
		if !errors.Is(err, errCorrupt) || errors.Is(err, errUndecryptable) {
			t.Errorf("key id %q: %v, want damaged", id, err)
		}
		must(t, s.close())
		if _, err := os.Stat(d.file(currentName + ".damaged")); err != nil {
			t.Errorf("key id %q: %v", id, err)
		}
	}
}

func TestUnlinkForgetsWhatWasSetAsideForWantOfItsKey(t *testing.T) {
	d := newStateDir(t)
	d.saveSealed(keyFile(t, 1), fullRecord("a"), fullRecord("b"))
	s, _, err := d.withKey(keyFile(t, 2))
	if !errors.Is(err, errUndecryptable) {
		t.Fatal(err)
	}
	must(t, s.forget(record{}))
	names, err := s.undecryptables()
	if err != nil || len(names) != 0 {
		t.Errorf("%v are left (%v): whoever finds the old key has the link", names, err)
	}
	must(t, s.close())
	s, got, err := d.withKey(keyFile(t, 1)) // of the second key's empty record nothing is to be had
	if !got.Link.isZero() || err != nil {
		t.Errorf("after unlink a link came back (%v)", err)
	}
	must(t, s.close())
}

func TestNewestOfTwoThatWereSetAsideIsTakenUp(t *testing.T) {
	d, key := newStateDir(t), keyFile(t, 1)
	newest := rotated(fullRecord("a"), "Atzr|newest")
	d.saveSealed(key, fullRecord("a"), newest)
	s, _, err := d.withKey("")
	if !errors.Is(err, errUndecryptable) {
		t.Fatal(err)
	}
	if names, err := s.undecryptables(); err != nil || len(names) != 2 {
		t.Fatalf("%v are kept (%v)", names, err)
	}
	must(t, s.close())
	_, got, err := d.withKey(key)
	must(t, err)
	wantRecord(t, got, newest, "an older token may be one that Amazon has replaced")
}

// A disk on which it cannot be set aside must not have the link written over.
func TestUndecryptableRecordThatCannotBeSetAsideIsKept(t *testing.T) {
	d := inMemory(t)
	d.saveSealed(keyFile(t, 1), fullRecord("a"))
	before := d.read(currentName)
	s := d.open()
	s.disk = &noRename{}
	if _, err := s.load(); !errors.Is(err, errUndecryptable) {
		t.Fatal(err)
	}
	for _, save := range []func(record) error{s.save, s.forget} {
		if err := save(fullRecord("b")); err == nil || !errors.Is(s.writable(), errUndecryptable) {
			t.Errorf("a save gives %v: the link would be written over", err)
		}
	}
	if !bytes.Equal(d.read(currentName), before) {
		t.Error("it was changed")
	}
}
