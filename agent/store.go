package agent

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	currentName  = "link.json"
	previousName = "link.json.1"
	serialName   = "serial_number"
	lockName     = "lock"

	maxRecord = 256 << 10 // bytes; a full one has about 30,000
)

// store keeps the record in the state directory, durably: when save returns
// nil, the record is there after a power cut; when it does not, the old one
// is. The record before it is kept as a second file, so that one damaged file
// costs no link.
//
// The loop owns it. It holds a lock on the directory for life, which the
// kernel drops when the process ends in whatever way.
type store struct {
	dir        string
	lock       *os.File
	generation uint64
	writes     uint64 // successful saves since the start
	noPrevious bool   // the record on disk must not be kept beside the next one
	blocked    error  // a record is there that must not be written over
}

// errLocked means that another agent runs on the same state directory.
var errLocked = errors.New("another lwa-agent is running on it")

// openStore takes the lock and narrows the directory to 0700 where it is ours.
func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w; make it for the agent's user, mode 0700, or set another state_dir", err)
	}
	if st, err := os.Stat(dir); err == nil && st.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil && !errors.Is(err, unix.EROFS) {
			return nil, fmt.Errorf("state directory: %w; give it to the agent's user (chown, chmod 0700)", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOSPC) {
		lock, err = os.Open(dir) // the directory itself can be locked, read-only or full
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w; give it and what is in it to the agent's user", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("state directory %s: %w; stop it first: systemctl stop lwa-agent", dir, errLocked)
		}
		return nil, fmt.Errorf("state directory %s: lock: %w", dir, err)
	}
	for _, name := range []string{lockName, serialName, currentName, currentName + ".1"} {
		_ = os.Chmod(filepath.Join(dir, name), 0o600) // restored from a backup, say; load looks at those that matter
	}
	return &store{dir: dir, lock: lock}, nil
}

// writable looks whether a save can work, without writing.
func (s *store) writable() error {
	if err := unix.Access(s.dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: s.dir, Err: err}
	}
	return nil
}

func (s *store) close() error { return s.lock.Close() }

// load returns the newest readable record. A file that cannot be read is
// never taken for "not linked" in silence: it is kept under another name and
// the error tells of it, beside the record that was found instead.
func (s *store) load() (record, error) {
	var trouble error
	for _, name := range []string{currentName, previousName} {
		r, generation, err := s.read(name)
		switch {
		case err == nil:
			s.generation = generation
			return r, trouble
		case errors.Is(err, errNewer):
			return record{}, fmt.Errorf("%s: %w; install that version again", filepath.Join(s.dir, name), err)
		case errors.Is(err, fs.ErrPermission):
			s.blocked = err
			return record{}, s.blocked
		case !errors.Is(err, fs.ErrNotExist):
			trouble = errors.Join(trouble, s.setAside(name, err))
		}
	}
	return record{}, trouble
}

func (s *store) read(name string) (record, uint64, error) {
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return record{}, 0, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil && !errors.Is(err, unix.EROFS) {
			return record{}, 0, fmt.Errorf("%w: others can read it and its mode cannot be changed", err)
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return record{}, 0, err
	}
	return decodeRecord(text)
}

// setAside keeps a damaged file as evidence, one of each name.
func (s *store) setAside(name string, why error) error {
	from, to := filepath.Join(s.dir, name), filepath.Join(s.dir, name+".damaged")
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("%s: %w", from, why)
	}
	return fmt.Errorf("%s: %w (kept as %s)", from, why, to)
}

// save writes the record: temporary file, fsync, the old record linked beside
// it, rename, fsync of the directory. Measured on ext4 and xfs: without the
// last step a power cut brings the old record back, without the first fsync an
// empty one.
func (s *store) save(r record) error {
	if s.blocked != nil {
		return s.blocked
	}
	text := encodeRecord(r, s.generation+1)
	if err := s.replace(currentName, text, !s.noPrevious); err != nil {
		return err
	}
	s.generation++
	s.writes++
	s.noPrevious = false
	return nil
}

// forget saves a record without a link so that no generation of the old one
// stays on the disk, nor what a crash or a damage has left of one.
func (s *store) forget(r record) error {
	if s.blocked != nil {
		return s.blocked
	}
	for _, suffix := range []string{".1", ".tmp", ".1.tmp", ".damaged", ".1.damaged"} {
		if err := ignoreMissing(os.Remove(filepath.Join(s.dir, currentName+suffix))); err != nil {
			return err
		}
	}
	s.noPrevious = true
	return s.save(r)
}

func (s *store) replace(name string, text []byte, keepOld bool) error {
	path := filepath.Join(s.dir, name)
	tmp := path + ".tmp"
	if err := writeSynced(tmp, text); err != nil {
		_ = os.Remove(tmp) // room for the next try
		return err
	}
	if keepOld {
		if err := s.keepPrevious(name); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(s.dir)
}

func (s *store) keepPrevious(name string) error {
	path := filepath.Join(s.dir, name)
	spare := path + ".1.tmp"
	if err := ignoreMissing(os.Remove(spare)); err != nil {
		return err
	}
	err := os.Link(path, spare)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the first save
	}
	if err != nil {
		return err
	}
	return os.Rename(spare, path+".1")
}

// writeSynced creates or replaces path with mode 0600 and waits for the disk.
func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// serial returns the serial number that was made at the first start, or makes
// it. It outlives unlink: linking again must not make a second device in the
// person's account.
func (s *store) serial() (string, error) {
	path := filepath.Join(s.dir, serialName)
	text, err := os.ReadFile(path)
	serial := strings.TrimSpace(string(text))
	switch {
	case err == nil && isSerial(serial):
		return serial, nil
	case err == nil: // it is kept, for the person's account may know the device by it
		if err := os.Rename(path, path+".damaged"); err != nil {
			return "", err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	serial = hex.EncodeToString(b)
	if err := s.replace(serialName, []byte(serial+"\n"), false); err != nil {
		return "", err
	}
	return serial, nil
}

// isSerial reports whether a text can be a serial number: what Amazon and a
// status can show.
func isSerial(text string) bool {
	return text != "" && len(text) <= 128 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
