package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// dir is the state directory of now.
func (h *house) dir() stateDir { return stateDir{h.t, h.cfg.StateDir} }

func (h *house) withKey(path string) {
	h.t.Helper()
	h.shutDown()
	h.cfg.StoreKeyFile = path
	h.powerOn()
}

func (h *house) wantWarning(code string, wanted bool, why string) {
	h.t.Helper()
	for _, w := range h.status().Warnings {
		if w.Code == code && wanted {
			return
		} else if w.Code == code {
			h.t.Errorf("%s: %+v", why, w)
		}
	}
	if wanted {
		h.t.Errorf("%s: no warning %q in %+v", why, code, h.status().Warnings)
	}
}

func TestLinkIsEncryptedWhenAKeyAppearsAndStaysInUse(t *testing.T) {
	t.Parallel()
	codeStory(t, lwatest.Options{Rotate: true}, func(t *testing.T, h *house) {
		h.link()
		before := h.onDisk()
		serial := h.status().SerialNumber
		h.withKey(keyFile(t, 1))
		st := h.wantState(Linked, "with a key")
		if st.SerialNumber != serial || st.StoreWrites == 0 {
			t.Errorf("serial number %q, %d writes", st.SerialNumber, st.StoreWrites)
		}
		h.wantWarning("store_plain", false, "encrypted at once")
		if key := h.agent.store.key.id; st.StoreKey != key {
			t.Errorf("the status names the key %q, and %q is used: nobody could tell which devices of a fleet are encrypted", st.StoreKey, key)
		}
		wantHidden := func(token, when string) {
			if names := h.dir().holding(token); len(names) > 0 {
				t.Errorf("%s: the token stands in %v", when, names)
			}
		}
		wantHidden(before.Link.Refresh.Reveal(), "after the start")
		wantHidden("Atzr|", "after the start")
		h.restart()
		if n := h.status().StoreWrites; n > 1 {
			t.Errorf("%d writes for a start, where there is one of the token that Amazon replaced: flash wears out", n)
		}
		h.pass(3 * time.Hour)
		h.wantToken("hours later")
		wantHidden("Atzr|", "after rotations")
		h.kill()
		h.powerOn()
		h.wantState(Linked, "after kill -9")
		h.change(func(id uint64) event { return unlinkAsked{id} })
		h.link()
		wantHidden("Atzr|", "linked anew")
	})
}

// A key that goes, or is another: the device says so and asks to be linked, at
// each of ever so many starts; the key that comes back brings the link back.
func TestKeyThatGoesCostsALinkOnlyUntilItComesBack(t *testing.T) {
	t.Parallel()
	key := keyFile(t, 1)
	for name, other := range map[string]string{
		"gone": "", "no such file": filepath.Join(t.TempDir(), "store-key"), "another": keyFile(t, 2),
	} {
		codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
			h.withKey(key)
			h.link()
			serial := h.status().SerialNumber
			for range 5 {
				h.withKey(other)
				h.restart() // and the reason is still told
				st := h.wantState(Unlinked, name)
				if !strings.Contains(st.Reason, "encrypted") || st.SerialNumber != serial || st.AuthorizeURL == "" {
					t.Fatalf("%s: reason %q, serial number %q, a link is offered: %v", name, st.Reason, st.SerialNumber, st.AuthorizeURL != "")
				}
				p := h.wantError("store_undecryptable", name)
				if !strings.Contains(p.Message, testKey(t, 1).id) || !strings.Contains(p.Message, ".undecryptable-") || !strings.Contains(p.Hint, "link the device again") || strings.ContainsAny(p.Message, "\n") {
					t.Errorf("%s: %+v; want the key named, where the link is kept, and what to do", name, p)
				}
				h.withKey(key)
				st = h.wantState(Linked, name+", and back")
				if st.LastError != nil || st.SerialNumber != serial {
					t.Errorf("%s, and back: %+v, serial number %q", name, st.LastError, st.SerialNumber)
				}
				if left, _ := filepath.Glob(h.dir().file("*undecryptable-" + testKey(t, 1).id)); len(left) != 0 {
					t.Errorf("%s, and back: %v is left", name, left)
				}
			}
			h.wantToken("after all that")
		})
	}
}

// An offer is not worth to be kept, nor to be told of.
func TestOfferUnderAKeyThatGoesIsForgotten(t *testing.T) {
	t.Parallel()
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.withKey(keyFile(t, 1))
		h.withKey("")
		st := h.wantState(Unlinked, "never linked")
		if st.LastError != nil || st.Reason != neverLinked || st.AuthorizeURL == "" {
			t.Errorf("reason %q, %+v", st.Reason, st.LastError)
		}
		if left, _ := filepath.Glob(h.dir().file("*undecryptable*")); len(left) != 0 {
			t.Errorf("%v is kept", left)
		}
	})
}

// Once the device is linked anew, the link of before is history.
func TestLinkMadeWithoutTheKeyIsNotReplacedByTheOneOfBefore(t *testing.T) {
	t.Parallel()
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		key := keyFile(t, 1)
		h.withKey(key)
		h.link()
		h.withKey("")
		h.link()
		h.restart()
		anew := h.onDisk().Link
		h.withKey(key)
		h.wantState(Linked, "the key is back")
		s, r, err := h.readDisk(key)
		must(t, err)
		if r.Link.Refresh != anew.Refresh || s.unsettled() {
			t.Errorf("the link is that of before: %v; not encrypted: %v", r.Link.Refresh != anew.Refresh, s.unsettled())
		}
	})
}

// readDisk is what a start would find there.
func (h *house) readDisk(key string) (*store, record, error) {
	s := &store{dir: h.cfg.StateDir, disk: kernel{}}
	s.useKey(key)
	r, err := s.load()
	return s, r, err
}

func TestCodeThatWasSentWithoutTheKeyIsNotSentAgain(t *testing.T) {
	d, key := newStateDir(t), keyFile(t, 1)
	d.saveSealed(key, fullRecord("a"))
	s, _, err := d.withKey("")
	if !errors.Is(err, errUndecryptable) {
		t.Fatal(err)
	}
	must(t, s.save(record{Codes: []string{"sent meanwhile"}, ConfigCode: "from the configuration"}))
	must(t, s.close())
	s, got, err := d.withKey(key)
	must(t, err)
	if !got.tried("sent meanwhile") || !got.tried("from the configuration") || !got.tried("hash-1-a") || got.Link.isZero() {
		t.Errorf("%v, %q: a code would be sent twice", got.Codes, got.ConfigCode)
	}
	must(t, s.save(got))
	if left, err := s.undecryptables(); err != nil || len(left) != 0 {
		t.Errorf("%v are left (%v)", left, err)
	}
}

// A key that cannot be used is somebody's mistake. It costs nothing that is
// there, and nothing is written in plain text because of it.
func TestKeyThatCannotBeUsedChangesNothing(t *testing.T) {
	t.Parallel()
	wrong := map[string]func(path string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	}
	for _, n := range []int{0, 31, 33, 65} {
		wrong[fmt.Sprint(n, " bytes")] = func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("k"), n), 0o400) }
	}
	for name, put := range wrong {
		bad := filepath.Join(t.TempDir(), "store-key")
		must(t, put(bad))
		for stored, key := range map[string]string{"plain": "", "encrypted": keyFile(t, 1)} {
			codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
				what := name + " for a key, " + stored
				h.withKey(key)
				h.link()
				h.shutDown()
				before := h.dir().read(currentName)
				h.cfg.StoreKeyFile = bad
				h.powerOn()
				st := h.status()
				if p := st.LastError; p == nil || !strings.Contains(p.Message, "store-key") || !strings.Contains(p.Hint, "encrypt.conf") {
					t.Errorf("%s: %+v; want the key named and how to make it", what, p)
				}
				if stored == "plain" && st.State != Linked {
					t.Errorf("%s: %s; the link can be read", what, st.State)
				}
				h.pass(time.Hour)
				if stored == "encrypted" && h.status().AuthorizeURL != "" {
					t.Errorf("%s: a link is offered that could not be kept", what)
				}
				if !bytes.Equal(h.dir().read(currentName), before) {
					t.Errorf("%s: what is on the disk was changed", what)
				}
				h.withKey(key)
				h.wantState(Linked, what+", and mended")
			})
		}
	}
}

// A first link under a bad key must not be made.
func TestNobodySignsInForALinkThatCouldNotBeKept(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "store-key")
	must(t, os.WriteFile(bad, []byte("short"), 0o400))
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.withKey(bad)
		h.change(func(id uint64) event { return unlinkAsked{id} })
		h.pass(time.Hour)
		if st := h.status(); st.LastError == nil || !strings.Contains(st.LastError.Message, "5 bytes in place of 32") {
			t.Errorf("%+v; want the length that was found, and the one that is wanted", st.LastError)
		}
	})
}
