package agent

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// useKey has records encrypted from now on with the key in a file, if there is
// one. One that cannot be used keeps the store from being written.
func (s *store) useKey(path string) {
	s.key, s.blocked = readStoreKey(path)
}

// mayBePlain reports whether a text that nobody could read may hold a token all
// the same.
func mayBePlain(text []byte) bool {
	return len(text) > 0 && !bytes.HasPrefix(text, []byte(`{"version":2,"cipher":`))
}

// anyBare reports whether a file of the store may hold a token in plain text,
// what a crash or a damage has left included.
func (s *store) anyBare() bool {
	return slices.ContainsFunc(append(leftovers(), currentName, previousName), func(name string) bool { return s.read(name).bare })
}

const undecryptable = ".undecryptable-"

// undecryptableName is what a file is called until its key comes back. It has the
// key's id and no time: who looks for the key needs that, a device may not know the
// time, and two of each key are never too many.
func undecryptableName(name, keyID string) string { return name + undecryptable + keyID }

// undecryptables are the files that were set aside for want of their keys.
func (s *store) undecryptables() (names []string, err error) {
	files, err := os.ReadDir(s.dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), currentName) && strings.Contains(f.Name(), undecryptable) {
			names = append(names, f.Name())
		}
	}
	return names, err
}

// takeUp ends a load that found r. Where that has no link, it is the record that
// was set aside under the key of now: a credential that was missing for a day must
// not cost one. Otherwise, for as long as the device is not linked anew, it tells
// of the key that would be needed. A code that was sent since is not sent again.
func (s *store) takeUp(r record, trouble error) (record, error) {
	if r.hasLink() || s.blocked != nil {
		return r, trouble
	}
	names, err := s.undecryptables()
	slices.Reverse(names) // link.json.1.… is the first of a directory, and the one before link.json.…
	for _, name := range names {
		file, id, _ := strings.Cut(name, undecryptable)
		if s.key == nil || id != s.key.id {
			if err == nil { // of several, one is told
				err = fmt.Errorf("%s: %w (kept as %s)", s.path(file), s.key.missing(id, true), s.path(name))
			}
			continue
		}
		if f := s.read(name); f.err == nil && f.record.hasLink() {
			old := f.record
			for _, hash := range r.Codes {
				old = old.withoutCode(hash).withCode(hash)
			}
			old.ConfigCode = cmp.Or(r.ConfigCode, old.ConfigCode)
			s.generation = max(s.generation, f.generation)
			s.takenUp = true
			return old, trouble
		}
	}
	return r, errors.Join(trouble, err)
}

// keyInUse is the number of the key under which everything is on the disk; empty
// where anything is, or would be, in plain text.
func (s *store) keyInUse() string {
	if s.key == nil || s.bare || s.blocked != nil {
		return ""
	}
	return s.key.id
}

// unsettled reports whether the disk is not yet as the key wants it.
func (s *store) unsettled() bool { return s.blocked == nil && (s.bare || s.takenUp) }

// clearUp removes what a saved record makes needless: plain text beside a key,
// and what was set aside and taken up again.
func (s *store) clearUp() (done bool) {
	var needless []string
	if s.bare {
		needless = leftovers()
	}
	if s.takenUp {
		needless = append(needless, undecryptableName(currentName, s.key.id), undecryptableName(previousName, s.key.id))
	}
	if len(needless) > 0 && s.removeAll(needless...) != nil {
		return false
	}
	s.takenUp = false
	return true
}

// settleStore writes the record again where the disk is not as the key wants it.
// What fails is tried again now and then, and at each save.
func (a *Agent) settleStore(rec record) {
	if !a.store.unsettled() || rec.isZero() {
		return
	}
	a.settled = a.cfg.Uptime()
	takenUp := a.store.takenUp
	if err := a.store.save(rec); err != nil {
		a.cfg.Log.Warn("the link cannot be encrypted yet", "error", err)
		return
	}
	if takenUp {
		a.cfg.Log.Info("the key is there again, and the link with it")
	}
	if a.store.unsettled() { // the generation before lies there as it was
		a.cfg.Log.Warn("the link is encrypted, and could not be rid of its plain text yet")
		return
	}
	a.cfg.Log.Info("the link is encrypted on the disk", "key", a.store.key.id)
}

// settleAgain is settleStore while the agent runs.
func (a *Agent) settleAgain() {
	if !a.m.unsaved && a.cfg.Uptime()-a.settled > storeRetryMost {
		a.settleStore(a.m.rec)
		a.m.writes = a.store.writes
	}
}

// warnings of the store: what it is kept on, and that it should be encrypted and
// is not.
func (a *Agent) storeWarnings() (all []Warning) {
	if a.notice != (Warning{}) {
		all = append(all, a.notice)
	}
	if a.store.bare && !a.m.rec.isZero() {
		all = append(all, Warning{"store_plain", "there is a store-key, and the link is still on the disk in plain text", storeHint})
	}
	return all
}
