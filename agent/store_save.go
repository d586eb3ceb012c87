package agent

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// save writes the record: temporary file, fsync, the old record linked beside
// it, rename, fsync of the directory. Measured on ext4 and xfs: without the
// last step a power cut brings the old record back, without the first fsync an
// empty one.
//
// A new link is written twice, so that both generations have it: what lies
// before it is no link, or that of another account. So is the first record
// under a key: what lies before it is in plain text.
func (s *store) save(r record) error {
	if err := s.write(r); err != nil {
		return err
	}
	again, was := s.bare, s.links
	s.links = [2]link{r.Link, r.Candidate}
	for _, l := range s.links {
		again = again || !l.isZero() && !l.sameGrant(was[0]) && !l.sameGrant(was[1])
	}
	cleared := s.clearUp()
	if again && s.write(r) == nil && cleared { // else it is on the disk all the same
		s.bare = false
	}
	return nil
}

func (s *store) write(r record) error {
	if s.blocked != nil {
		return s.blocked
	}
	if err := s.setAsideUnread(); err != nil {
		return err
	}
	text := encodeRecord(r, s.generation+1)
	if s.key != nil {
		text = s.key.seal(r, s.generation+1)
	}
	if err := s.replace(currentName, text, s.whole); err != nil {
		return err
	}
	s.generation++
	s.writes++
	s.whole = true
	return nil
}

// forget saves a record without a link so that no generation of the old one
// stays on the disk, nor what a crash or a damage has left of one.
func (s *store) forget(r record) error {
	if s.blocked != nil {
		return s.blocked
	}
	aside, err := s.undecryptables()
	if err == nil {
		err = s.removeAll(append(aside, append(leftovers(), previousName)...)...)
	}
	if err != nil {
		return err
	}
	s.whole, s.unread = false, nil
	return s.save(r)
}

// setAsideUnread sets aside now what load could not: a disk that failed then may
// work now, and a link that was not to be read is not written over.
func (s *store) setAsideUnread() error {
	for len(s.unread) > 0 {
		name := s.unread[0]
		if err := s.rename(name, name+".damaged"); ignoreMissing(err) != nil {
			return s.step("rename", name, err)
		}
		s.unread = s.unread[1:]
	}
	return nil
}

func (s *store) rename(from, to string) error {
	return s.within(func(dir int) error { return s.disk.rename(dir, from, to) })
}

// replace changes a file so that a crash leaves the old or the new one. After
// an error either may be there.
func (s *store) replace(name string, text []byte, keepOld bool) error {
	return s.within(func(dir int) error {
		tmp := name + ".tmp"
		if err := s.remove(dir, tmp); err != nil {
			return err
		}
		err := s.step("write", tmp, writeNew(s.disk, dir, tmp, text, 0o600))
		if err == nil && keepOld {
			err = s.keepPrevious(dir, name)
		}
		if err == nil {
			err = s.step("rename", tmp, s.disk.rename(dir, tmp, name))
		}
		if err != nil {
			_ = s.disk.unlink(dir, tmp) // room for the next try
			return err
		}
		return s.step("sync", "", s.disk.fsync(dir))
	})
}

func (s *store) keepPrevious(dir int, name string) error {
	spare := name + ".1.tmp"
	if err := s.remove(dir, spare); err != nil {
		return err
	}
	err := s.disk.link(dir, name, spare)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // the first save
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EMLINK):
		err = s.copyFile(dir, name, spare) // vfat and some others have no hard links
	}
	if err != nil {
		return s.step("keep", name, err)
	}
	return s.step("rename", spare, s.disk.rename(dir, spare, name+".1"))
}

func (s *store) copyFile(dir int, from, to string) error {
	fd, err := s.disk.open(dir, from, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer s.disk.close(fd)
	text, err := readAll(s.disk, fd, maxRecord)
	if err != nil {
		return err
	}
	return writeNew(s.disk, dir, to, text, 0o600)
}

// leftovers are what a crash or a damage leaves of a record.
func leftovers() []string {
	return []string{currentName + ".tmp", previousName + ".tmp", currentName + ".damaged", previousName + ".damaged"}
}

func (s *store) removeAll(names ...string) error {
	return s.within(func(dir int) error {
		for _, name := range names {
			if err := s.remove(dir, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// remove makes sure that there is no such file.
func (s *store) remove(dir int, name string) error {
	if err := s.disk.unlink(dir, name); !errors.Is(err, fs.ErrNotExist) {
		return s.step("remove", name, err)
	}
	return nil
}

// step names the file that an error is about.
func (s *store) step(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: s.path(name), Err: err}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
