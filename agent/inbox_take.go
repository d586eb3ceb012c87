package agent

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// take removes the file and says in RESULT.txt beside it what became of the
// code; both are on the disk when it returns nil. What was dropped meanwhile
// under the same name, or written into the same file, stays. It blocks for the
// disk and nothing else.
func (f droppedFile) take(result string) error {
	dir, err := unix.Open(f.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // and the file with it
	}
	if err != nil {
		return fmt.Errorf("the used code cannot be removed: %w", err)
	}
	defer unix.Close(dir)
	removed := f.remove(dir)
	written := writeResult(dir, fmt.Sprintf("%s\n%s\n", result, time.Now().Format("2006-01-02 15:04:05 MST")))
	switch {
	case removed != nil && written != nil:
		return fmt.Errorf("the used code cannot be removed, nor %s written: %w", resultName, removed)
	case removed != nil:
		return fmt.Errorf("the used code cannot be removed: %w", removed)
	case written != nil:
		return fmt.Errorf("the used code is removed, but %s cannot be written: %w", resultName, written)
	}
	return syncDropDir(dir)
}

func (f droppedFile) remove(dir int) error {
	var st unix.Stat_t
	err := unix.Fstatat(dir, f.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	now := identify(f.dir, f.name, &st)
	now.ctime = f.ctime // chmod changes it, and the text is the same
	if now != f {
		return nil
	}
	if err := unix.Unlinkat(dir, f.name, 0); !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// writeResult replaces RESULT.txt. The temporary file is made anew, so that
// nobody who may write here can have it written through a link of his.
func writeResult(dir int, text string) error {
	const tmp = ".RESULT"
	if err := unix.Unlinkat(dir, tmp, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	fd, err := unix.Openat(dir, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	_ = unix.Fchmod(fd, 0o644) // for the person who dropped the code, whatever our umask; vfat refuses and needs it not
	for rest := []byte(text); err == nil && len(rest) > 0; {
		var n int
		n, err = unix.Write(fd, rest)
		rest = rest[max(n, 0):]
	}
	if err == nil {
		err = unix.Fsync(fd)
	}
	if closed := unix.Close(fd); err == nil {
		err = closed
	}
	if err == nil {
		err = unix.Renameat(dir, tmp, dir, resultName)
	}
	if err != nil {
		_ = unix.Unlinkat(dir, tmp, 0) // what went wrong before says more
	}
	return err
}

// syncDropDir makes the removal last. In a directory that we may use but not
// list it cannot: a used code that comes back after a power cut is recognised.
func syncDropDir(dir int) error {
	fd, err := unix.Openat(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsync(fd)
}
