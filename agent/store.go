package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
// or the new one is. The record before it is kept as a second file, so that
// one damaged file costs no link.
//
// The loop owns it. It holds a lock on the directory for life, which the
// kernel drops when the process ends in whatever way.
type store struct {
	dir        string
	disk       fileSystem
	lock       *os.File
	generation uint64
	writes     uint64   // successful saves since the start
	whole      bool     // the record on disk is good, and may be kept beside the next one
	links      [2]link  // of the record on disk, the link and the candidate
	blocked    error    // a record is there that must not be written over, or a key that cannot be used
	unread     []string // files that could neither be read nor set aside: nothing is saved before they are

	key     *storeKey // nil: records are in plain text
	bare    bool      // with a key: something in the directory may still be in plain text
	takenUp bool      // the record is one that was set aside until its key came back
}

// errLocked means that another agent runs on the same state directory.
var errLocked = errors.New("another lwa-agent is running on it")

// openStore takes the lock and narrows the directory to 0700 where it is ours.
func openStore(dir string, disk fileSystem) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state directory: %w; make it for the agent's user, mode 0700, or set another state_dir", err)
	}
	if st, err := os.Stat(dir); err == nil && st.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil && !errors.Is(err, unix.EROFS) {
			return nil, fmt.Errorf("state directory: %w; give it to the agent's user (chown, chmod 0700)", err)
		}
	}
	// For reading: a file that is open for writing keeps an administrator from
	// remounting the disk read-only.
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.ENOSPC) {
		lock, err = os.Open(dir) // the directory itself can be locked, read-only or full
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w; give it and what is in it to the agent's user", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("state directory %s: %w%s; stop it first: systemctl stop lwa-agent", dir, errLocked, lockedBy(lock))
		}
		return nil, fmt.Errorf("state directory %s: lock: %w", dir, err)
	}
	_ = unix.FcntlFlock(lock.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}) // tells who we are; see lockedBy
	for _, name := range []string{lockName, serialName, currentName, previousName} {
		_ = os.Chmod(filepath.Join(dir, name), 0o600) // restored from a backup, say; load looks at those that matter
	}
	return &store{dir: dir, disk: disk, lock: lock}, nil
}

// lockedBy names the process that has the lock. flock(2) does not tell, and a
// number in the file would be a write at each start and could be an old one:
// so the holder takes a record lock (fcntl(2)) beside it, which says whose it
// is. Where only the directory could be locked nobody knows.
func lockedBy(lock *os.File) string {
	held := unix.Flock_t{Type: unix.F_WRLCK}
	if unix.FcntlFlock(lock.Fd(), unix.F_GETLK, &held) != nil || held.Type == unix.F_UNLCK || held.Pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (process %d)", held.Pid)
}

func (s *store) close() error { return s.lock.Close() }

func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

// within opens the directory, so that all of a change happens in the same one
// even if another is mounted over it meanwhile.
func (s *store) within(do func(dir int) error) error {
	dir, err := s.disk.openDir(s.dir, unix.O_RDONLY)
	if err != nil {
		return &fs.PathError{Op: "open", Path: s.dir, Err: err}
	}
	defer s.disk.close(dir)
	return do(dir)
}

// load returns the newest readable record. A file that cannot be read is
// never taken for "not linked" in silence: it is kept under another name and
// the error tells of it, beside the record that was found instead.
func (s *store) load() (record, error) {
	trouble := s.blocked
	s.bare = s.key != nil && s.anyBare()
	for _, name := range []string{currentName, previousName} {
		f := s.read(name)
		switch {
		case f.err == nil:
			s.generation, s.whole = f.generation, name == currentName
			s.links = [2]link{f.record.Link, f.record.Candidate}
			return s.takeUp(f.record, trouble)
		case errors.Is(f.err, errNewer):
			s.blocked = fmt.Errorf("%s: %w; install that version again", s.path(name), f.err)
			return record{}, s.blocked
		case errors.Is(f.err, fs.ErrPermission):
			s.blocked = f.err
			return record{}, s.blocked
		case s.blocked != nil: // by its key: nothing is touched until that is mended
		case !errors.Is(f.err, fs.ErrNotExist):
			trouble = errors.Join(trouble, s.setAside(name, f.err))
		}
	}
	return s.takeUp(record{}, trouble)
}

// stored is what a file of the store holds, or why it cannot be read.
type stored struct {
	record     record
	generation uint64
	bare       bool // it may have a token in plain text
	err        error
}

func (s *store) read(name string) (f stored) {
	failed := func(op string, err error) error { return &fs.PathError{Op: op, Path: s.path(name), Err: err} }
	f.err = s.within(func(dir int) error {
		fd, err := s.disk.open(dir, name, unix.O_RDONLY, 0)
		if err != nil {
			f.bare = !errors.Is(err, fs.ErrNotExist)
			return failed("open", err)
		}
		defer s.disk.close(fd)
		var st unix.Stat_t
		if s.disk.fstat(fd, &st) == nil && st.Mode&0o077 != 0 {
			if err := s.disk.fchmod(fd, 0o600); errors.Is(err, fs.ErrPermission) {
				return fmt.Errorf("%w: others can read it and its mode cannot be changed", failed("chmod", err))
			}
		}
		text, err := readAll(s.disk, fd, maxRecord)
		f.bare = err != nil || mayBePlain(text)
		if err != nil {
			return failed("read", err)
		}
		f.record, f.generation, err = s.key.decode(text)
		return err
	})
	return f
}

// setAside keeps a file that cannot be used as evidence, one of each name; and one
// whose key is not there until that comes back, of which takeUp tells. Without a
// link in it, it is not worth that.
func (s *store) setAside(name string, why error) error {
	to := name + ".damaged"
	missing, undecryptable := errors.AsType[*keyMissing](why)
	if undecryptable {
		if !missing.linked {
			return nil
		}
		to = undecryptableName(name, missing.id)
	}
	if pathed, is := errors.AsType[*fs.PathError](why); is {
		why = pathed.Err
	}
	err := s.rename(name, to)
	switch {
	case err == nil && undecryptable:
		return nil
	case err == nil:
		return fmt.Errorf("%s: %w (kept as %s)", s.path(name), why, s.path(to))
	case undecryptable:
		s.blocked = fmt.Errorf("%s: %w, and it cannot be set aside: %w", s.path(name), why, err)
		return s.blocked
	}
	s.unread = append(s.unread, name)
	return fmt.Errorf("%s: %w", s.path(name), why)
}
