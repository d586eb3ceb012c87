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
func (f droppedFile) take(disk fileSystem, result string) error {
	dir, err := openDropDir(disk, f.dir)
	if errors.Is(err, unix.ENOENT) {
		return nil // and the file with it
	}
	if err != nil {
		return fmt.Errorf("the used code cannot be removed: %w", err)
	}
	defer disk.close(dir)
	removed := f.remove(disk, dir)
	written := writeResult(disk, dir, fmt.Sprintf("%s\n%s\n", result, time.Now().Format("2006-01-02 15:04:05 MST")))
	switch {
	case removed != nil && written != nil:
		return fmt.Errorf("the used code cannot be removed, nor %s written: %w", resultName, removed)
	case removed != nil:
		return fmt.Errorf("the used code cannot be removed: %w", removed)
	case written != nil:
		return fmt.Errorf("the used code is removed, but %s cannot be written: %w", resultName, written)
	}
	return syncDropDir(disk, dir)
}

func (f droppedFile) remove(disk fileSystem, dir int) error {
	var st unix.Stat_t
	err := disk.stat(dir, f.name, &st)
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
	if err := disk.unlink(dir, f.name); !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// writeResult replaces RESULT.txt. The temporary file is made anew, so that
// nobody who may write here can have it written through a link of his.
func writeResult(disk fileSystem, dir int, text string) error {
	const tmp = ".RESULT"
	if err := disk.unlink(dir, tmp); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	err := writeNew(disk, dir, tmp, []byte(text), 0o644) // for the person who dropped the code
	if err == nil {
		err = disk.rename(dir, tmp, resultName)
	}
	if err != nil {
		_ = disk.unlink(dir, tmp) // what went wrong before says more
	}
	return err
}

// syncDropDir makes the removal last. In a directory that we may use but not
// list it cannot: a used code that comes back after a power cut is recognised.
func syncDropDir(disk fileSystem, dir int) error {
	fd, err := disk.open(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer disk.close(fd)
	return disk.fsync(fd)
}

// openDropDir opens a directory of which nothing is read but what lies under
// known names; for that, being allowed to enter it is enough.
func openDropDir(disk fileSystem, path string) (dir int, err error) {
	return disk.openDir(path, unix.O_PATH)
}
