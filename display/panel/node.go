package panel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"lwa-agent/display/internal/device"
)

// nodes are the device nodes of one kind.
type nodes struct {
	like      string // a pattern
	subsystem string // as udev calls it
	group     string // that usually may use them
	cure      string // how they come to be
}

// open opens the one at path. Its errors say what to do.
func (n nodes) open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, fs.ErrNotExist):
		others, _ := filepath.Glob(n.like) // the pattern is ours
		if len(others) > 0 {
			return nil, fmt.Errorf("there is no %s, only %s; %s: %w", path, strings.Join(others, ", "), n.cure, unix.ENOENT)
		}
		return nil, fmt.Errorf("there is no %s; %s: %w", path, n.cure, unix.ENOENT)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return nil, fmt.Errorf("nothing is behind %s any more; plug its adapter in: %w", path, err)
	case errors.Is(err, fs.ErrPermission) && onlyRoots(path):
		return nil, fmt.Errorf("%w; it is root's alone: the udev rule SUBSYSTEM==%q, GROUP=%q, MODE=\"0660\" gives it to the group %s",
			err, n.subsystem, n.group, n.group)
	}
	return nil, device.WithGroup(path, err)
}

// onlyRoots reports whether joining a group would not help.
func onlyRoots(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && (st.Gid == 0 || st.Mode&0o060 != 0o060)
}
