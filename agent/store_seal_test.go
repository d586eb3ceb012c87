package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// keyFile is a store-key whose bytes are all b.
func keyFile(t *testing.T, b byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store-key")
	must(t, os.WriteFile(path, bytes.Repeat([]byte{b}, storeKeySize), 0o400))
	return path
}

func testKey(t *testing.T, b byte) *storeKey {
	t.Helper()
	k, err := readStoreKey(keyFile(t, b))
	must(t, err)
	return k
}

// withKey opens the directory as an agent with that key does.
func (d stateDir) withKey(path string) (*store, record, error) {
	d.t.Helper()
	s := d.open()
	s.useKey(path)
	r, err := s.load()
	return s, r, err
}

// saveSealed leaves the records under a key.
func (d stateDir) saveSealed(path string, records ...record) {
	d.t.Helper()
	s, _, err := d.withKey(path)
	must(d.t, err)
	for _, r := range records {
		must(d.t, s.save(r))
	}
	must(d.t, s.close())
}

// bareTexts are what stands in every plain record of fullRecord.
func bareTexts() []string {
	return []string{"Atzr|", "refresh_token", "verifier", "state-1", "Lovelace"}
}

func (d stateDir) wantNothingPlain(why string) {
	d.t.Helper()
	for _, text := range bareTexts() {
		if names := d.holding(text); len(names) != 0 {
			d.t.Errorf("%s: %q stands in %v, for whoever takes the card", why, text, names)
		}
	}
}

func TestEncryptedRecordShowsNothingAndComesBack(t *testing.T) {
	d, key := newStateDir(t), keyFile(t, 1)
	want := rotated(fullRecord("a"), "Atzr|b")
	d.saveSealed(key, fullRecord("a"), want)
	d.wantNothingPlain("encrypted")
	s, got, err := d.withKey(key)
	must(t, err)
	wantRecord(t, got, want, "encrypted")
	must(t, s.close())
	must(t, os.Truncate(d.file(currentName), 200))
	s, got, err = d.withKey(key)
	wantRecord(t, got, fullRecord("a"), "the generation before")
	if err == nil || !strings.Contains(err.Error(), ".damaged") {
		t.Errorf("%v; want the damage said, and where the evidence is", err)
	}
	must(t, s.save(want))
	if len(d.read(currentName+".damaged")) == 0 {
		t.Error("evidence that nobody can read anything from was removed")
	}
}

func TestLookFromOutsideFindsNothingWrongWithAnEncryptedRecord(t *testing.T) {
	d := newStateDir(t)
	d.saveSealed(keyFile(t, 1), fullRecord("a"))
	if _, err := LookAtState(d.path); err != nil {
		t.Errorf("%v, with no key to look with", err)
	}
	must(t, os.Truncate(d.file(currentName), 300))
	if _, err := LookAtState(d.path); err == nil {
		t.Error("damaged, and nothing is said")
	}
}

func TestTwoSavesOfARecordAreNotTheSameText(t *testing.T) {
	k, r := testKey(t, 1), fullRecord("a")
	if bytes.Equal(k.seal(r, 1), k.seal(r, 1)) {
		t.Error("a nonce was used twice: with AES-GCM that gives the key of the tag away")
	}
}

// An agent of before encryption must not take an encrypted link for none.
func TestOlderVersionLeavesAnEncryptedRecordAlone(t *testing.T) {
	_, _, err := decodeRecord(testKey(t, 1).seal(fullRecord("a"), 1))
	if !errors.Is(err, errNewer) {
		t.Errorf("%v; want it taken for a newer version's", err)
	}
}

// The form is kept: what this release wrote is read by every later one.
func TestEncryptedRecordOfTheFirstReleaseIsStillRead(t *testing.T) {
	path := filepath.Join("testdata", "record-v2.json")
	text, err := os.ReadFile(path)
	must(t, err)
	want := fullRecord("golden")
	got, generation, err := testKey(t, 7).decode(text)
	must(t, err)
	wantRecord(t, got, want, path)
	if generation != 5 {
		t.Errorf("generation %d, want 5", generation)
	}
}

func TestNoChangedByteOfAnEncryptedRecordIsBelieved(t *testing.T) {
	t.Parallel()
	k := testKey(t, 1)
	text := k.seal(fullRecord("a"), 7)
	body, err := checkedBody(text)
	must(t, err)
	for i := range body {
		for _, xor := range []byte{1, 0x20} {
			changed := bytes.Clone(body)
			changed[i] ^= xor
			// Whoever changes it on purpose makes the checksum fit.
			got, _, err := k.decode(fmt.Appendf(nil, "%s\nsha256 %s\n", changed, checksum(changed)))
			if err == nil && reflect.DeepEqual(got, fullRecord("a")) {
				continue // the name of a member, in capitals
			}
			if err == nil || !reflect.DeepEqual(got, record{}) {
				t.Fatalf("byte %d changed by %#x: a record came out that nobody saved (%v)", i, xor, err)
			}
			if !errors.Is(err, errCorrupt) && !errors.Is(err, errNewer) && !errors.Is(err, errUndecryptable) {
				t.Fatalf("byte %d changed by %#x: %v", i, xor, err)
			}
		}
	}
}

// The plain store of before, with all that it may have left.
func plainStore(t *testing.T) (stateDir, record) {
	t.Helper()
	d := inMemory(t)
	older, newer := fullRecord("older"), rotated(fullRecord("older"), "Atzr|newer")
	d.save(older, newer)
	for _, name := range leftovers() {
		must(t, os.WriteFile(d.file(name), encodeRecord(older, 1)[:700], 0o600))
	}
	return d, newer
}

func TestFirstSaveUnderAKeyLeavesNothingInPlainText(t *testing.T) {
	d, want := plainStore(t)
	key := keyFile(t, 1)
	s, got, err := d.withKey(key)
	must(t, err)
	wantRecord(t, got, want, "plain, with a key")
	if !s.unsettled() {
		t.Fatal("nobody would encrypt it")
	}
	must(t, s.save(got))
	d.wantNothingPlain("after the first save")
	if s.unsettled() {
		t.Error("it is written again at each start")
	}
	must(t, s.close())
	must(t, os.Remove(d.file(currentName)))
	_, got, err = d.withKey(key)
	must(t, err)
	wantRecord(t, got, want, "the generation before is encrypted too")
}

// Each call on the way from plain to encrypted fails, or is the last before the
// power goes: the link is there all the same, and the next start gets through.
func TestEachCallOfTheFirstSaveUnderAKeyMayFail(t *testing.T) {
	t.Parallel()
	base, want := plainStore(t)
	key := keyFile(t, 1)
	fired, every := 0, 5 // of the calls; all of them with the tag deep
	if deep {
		every = 1
	}
	for i, f := range faults() {
		for at := 1 + i%every; ; at += every {
			d := stateDir{t, fmt.Sprintf("%s %s %d", base.path, f.name, at)}
			must(t, os.CopyFS(d.path, os.DirFS(base.path)))
			bad := &badDisk{fault: f, at: at}
			s, err := openStore(d.path, bad)
			must(t, err)
			s.useKey(key)
			got, trouble := s.load()
			if trouble == nil {
				wantRecord(t, got, want, fmt.Sprintf("%s at call %d", f.name, at))
			}
			_ = s.save(want)
			must(t, s.close())
			if !bad.fired {
				break
			}
			fired++
			what := fmt.Sprintf("%s at call %d, the next start", f.name, at)
			s, got, trouble = d.withKey(key)
			if trouble == nil || !got.Link.isZero() {
				if got.Link.Refresh != want.Link.Refresh && got.Link.Refresh != fullRecord("older").Link.Refresh {
					t.Fatalf("%s: the record is of %q (%v)", what, got.Link.Refresh.Hash(), trouble)
				}
			}
			must(t, s.save(want))
			d.wantNothingPlain(what)
			must(t, s.close())
			must(t, os.RemoveAll(d.path))
		}
	}
	if fired*every < 100 {
		t.Errorf("only %d faults came up", fired)
	}
	t.Logf("%d faults", fired)
}

func FuzzSealedRecord(f *testing.F) {
	k, err := newStoreKey(make([]byte, storeKeySize))
	if err != nil {
		f.Fatal(err)
	}
	good, _ := checkedBody(k.seal(fullRecord("a"), 3))
	f.Add(good)
	f.Add([]byte(`{"version":2,"cipher":"AES-256-GCM","key_id":"` + k.id + `","sealed":""}`))
	f.Add([]byte(`{"version":2,"cipher":"AES-256-GCM","key_id":"` + k.id + `","sealed":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, _, err := k.decode(fmt.Appendf(nil, "%s\nsha256 %s\n", body, checksum(body)))
		missing, _ := errors.AsType[*keyMissing](err)
		var f sealedFile
		encrypted := json.Unmarshal(body, &f) == nil && f.Cipher != ""
		switch {
		case err != nil && !reflect.DeepEqual(r, record{}):
			t.Fatalf("%q: %v, and a part of a record", body, err)
		case missing != nil && !isKeyID(missing.id):
			t.Fatalf("%q names the key %q", body, missing.id)
		case err == nil && encrypted && !reflect.DeepEqual(r, fullRecord("a")):
			t.Fatalf("%q is believed", body)
		}
	})
}
