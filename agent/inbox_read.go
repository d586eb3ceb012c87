package agent

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
)

// droppedFile is one state of one file: a file that was written to, or
// replaced, is another one.
type droppedFile struct {
	dir, name    string
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // ns since 1970 on the clock of the file system; only ever compared
}

func (f droppedFile) path() string { return printablePath(filepath.Join(f.dir, f.name)) }

func identify(dir, name string, st *unix.Stat_t) droppedFile {
	return droppedFile{
		dir: dir, name: name,
		dev: uint64(st.Dev), ino: st.Ino, size: st.Size,
		mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
	}
}

// errChanged means that the file is not, or no longer, the one that was seen.
var errChanged = errors.New("the file changed meanwhile")

// readDropped reads the file if it is the one that was seen, before and after.
// What its directory entry says was checked; what counts is what was opened.
func readDropped(disk fileSystem, dir int, file droppedFile) ([]byte, error) {
	fd, err := disk.openBeneath(dir, file.name, unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENXIO) {
		return nil, errChanged // gone, or replaced by something that is not opened
	}
	if err != nil {
		return nil, err
	}
	defer disk.close(fd)
	if err := isStill(disk, fd, file); err != nil {
		return nil, err
	}
	text, err := readAll(disk, fd, lwa.MaxDrop+1)
	if err == nil {
		err = isStill(disk, fd, file)
	}
	if err != nil {
		return nil, err
	}
	return text, nil
}

func isStill(disk fileSystem, fd int, file droppedFile) error {
	var st unix.Stat_t
	if err := disk.fstat(fd, &st); err != nil {
		return err
	}
	seen := find(file.dir, file.name, &st)
	if seen.file != file || refuseKind(seen) != (refusal{}) {
		return errChanged
	}
	return nil
}

// refuseKind says why a directory entry is none that is opened; zero if it is.
// Devices are not even opened to look at them: with some that alone does
// something.
func refuseKind(f found) refusal {
	path := f.file.path()
	switch f.mode & unix.S_IFMT {
	case unix.S_IFREG:
		switch {
		case f.links > 1:
			return refusal{path, "it has a second name (a hard link), so somebody else can change it", "copy it instead: cp, not ln"}
		case f.mode&unix.S_IWOTH != 0:
			return refusal{path, "everybody can write to it, so anybody can have changed it", "chmod o-w " + shellWord(filepath.Join(f.file.dir, f.file.name))}
		case f.file.size > lwa.MaxDrop:
			return refusal{path, "it is larger than 4 KiB, so it is no code", "drop only the code, or the address that the browser shows after signing in"}
		}
		return refusal{}
	case unix.S_IFLNK:
		return refusal{path, "it is a symbolic link, which is not followed", "copy the file itself here"}
	case unix.S_IFDIR:
		return refusal{path, "it is a directory, not a file", "put the file itself there; if this is meant to be a drop directory, write a slash at the end of its path in the configuration"}
	case unix.S_IFIFO:
		return refusal{path, "it is a FIFO, not a file", "remove it and drop a file"}
	case unix.S_IFSOCK:
		return refusal{path, "it is a socket, not a file", "remove it and drop a file"}
	default:
		return refusal{path, "it is a device, not a file", "remove it and drop a file"}
	}
}

// refuseReading says why a file could not be read, and what mends it.
func refuseReading(file droppedFile, err error) refusal {
	path, word := file.path(), shellWord(filepath.Join(file.dir, file.name))
	switch {
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		group := ownGroup()
		return refusal{path, fmt.Sprintf("it cannot be read by the group %s", group), fmt.Sprintf("chgrp %s %s && chmod 640 %[2]s", shellWord(group), word)}
	case errors.Is(err, unix.EXDEV):
		return refusal{path, "it is on another file system that is mounted on it", "copy the file itself here"}
	default:
		return refusal{path, fmt.Sprintf("it cannot be read: %v", err), cmp.Or(cureOfKernel(err, file.dir), "remove it and drop it again")}
	}
}

// refuseText says what is wrong with a text that was read.
func refuseText(file droppedFile, err error) refusal {
	if bad, ok := errors.AsType[*lwa.DropError](err); ok {
		return refusal{file.path(), bad.Message, bad.Hint}
	}
	return refusal{file.path(), err.Error(), "remove it and drop it again"}
}
