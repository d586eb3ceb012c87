package agent

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// fileSystem is the system calls with which the store and the inbox touch
// files. Two of it exist: the kernel, and in tests the kernel on a bad disk,
// whose k-th call fails or is the last before the power goes. Names are
// relative to an open directory, and none is followed when it is a link.
//
// Errors are errno(3) values without a path: who calls knows which file.
type fileSystem interface {
	openDir(path string, flags int) (fd int, err error)
	open(dir int, name string, flags int, mode uint32) (fd int, err error)
	openBeneath(dir int, name string, flags int) (fd int, err error)
	read(fd int, p []byte) (n int, err error)
	write(fd int, p []byte) (n int, err error)
	fsync(fd int) error
	fchmod(fd int, mode uint32) error
	close(fd int) error
	fstat(fd int, st *unix.Stat_t) error
	stat(dir int, name string, st *unix.Stat_t) error
	link(dir int, from, to string) error
	rename(dir int, from, to string) error
	unlink(dir int, name string) error
}

// kernel is the file system of the running kernel.
type kernel struct{}

const safeOpen = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// openDir follows links: systemd makes one of a state directory with
// DynamicUser=, and where a person has put the directories is his business.
func (kernel) openDir(path string, flags int) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Open(path, flags|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

func (kernel) open(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Openat(dir, name, flags|safeOpen, mode)
		return err
	})
	return fd, err
}

// openBeneath opens a file that a stranger put there: never through a link of
// any kind, never on another file system, and without waiting for the other
// end of a FIFO. os.Root will not do: it follows a link to another file of the
// same directory.
func (k kernel) openBeneath(dir int, name string, flags int) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Openat2(dir, name, &unix.OpenHow{
			Flags:   uint64(flags | safeOpen),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
		})
		return err
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		// Linux before 5.6, or a sandbox that does not know the call. A name from
		// a directory has no slash, so O_NOFOLLOW covers all of it but a mount.
		return k.open(dir, name, flags, 0)
	}
	return fd, err
}

func (kernel) read(fd int, p []byte) (n int, err error) {
	err = uninterrupted(func() error {
		n, err = unix.Read(fd, p)
		return err
	})
	return max(n, 0), err
}

func (kernel) write(fd int, p []byte) (n int, err error) {
	err = uninterrupted(func() error {
		n, err = unix.Write(fd, p)
		return err
	})
	return max(n, 0), err
}

// fsync is not called again after an error: the kernel tells of it once and
// has dropped the pages (fsync(2)), so a second one would report success.
func (kernel) fsync(fd int) error { return uninterrupted(func() error { return unix.Fsync(fd) }) }

func (kernel) fchmod(fd int, mode uint32) error { return unix.Fchmod(fd, mode) }
func (kernel) close(fd int) error               { return unix.Close(fd) }

func (kernel) fstat(fd int, st *unix.Stat_t) error { return unix.Fstat(fd, st) }
func (kernel) stat(dir int, name string, st *unix.Stat_t) error {
	return unix.Fstatat(dir, name, st, unix.AT_SYMLINK_NOFOLLOW)
}
func (kernel) link(dir int, from, to string) error   { return unix.Linkat(dir, from, dir, to, 0) }
func (kernel) rename(dir int, from, to string) error { return unix.Renameat(dir, from, dir, to) }
func (kernel) unlink(dir int, name string) error     { return unix.Unlinkat(dir, name, 0) }

// uninterrupted calls again what a signal interrupted: Go's own come often, and
// not every file system restarts a call by itself.
func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// readAll reads up to most bytes from where fd stands.
func readAll(disk fileSystem, fd, most int) ([]byte, error) {
	text := make([]byte, 0, min(most, 4096))
	for len(text) < most {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := disk.read(fd, text[len(text):min(cap(text), most)])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		text = text[:len(text)+n]
	}
	return text, nil
}

// writeNew makes a file that must not be there yet, with all of the text in it
// and on the disk. After an error the file is good for nothing and must be
// removed: only a new one can be synced again.
func writeNew(disk fileSystem, dir int, name string, text []byte, mode uint32) error {
	fd, err := disk.open(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if mode != 0o600 {
		_ = disk.fchmod(fd, mode) // whatever the umask; vfat refuses and needs it not
	}
	for len(text) > 0 && err == nil {
		var n int
		n, err = disk.write(fd, text)
		if n == 0 && err == nil {
			err = io.ErrShortWrite
		}
		text = text[n:]
	}
	if err == nil {
		err = disk.fsync(fd)
	}
	if closed := disk.close(fd); err == nil {
		err = closed
	}
	return err
}
