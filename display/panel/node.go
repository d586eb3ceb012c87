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

// openNode opens the device node path. Where it does not exist, the error says
// which others that match like do, and cure: how such nodes come to be.
func openNode(path, like, cure string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, fs.ErrNotExist):
		others, _ := filepath.Glob(like) // the pattern is ours
		if len(others) > 0 {
			return nil, fmt.Errorf("there is no %s, only %s; %s: %w", path, strings.Join(others, ", "), cure, unix.ENOENT)
		}
		return nil, fmt.Errorf("there is no %s; %s: %w", path, cure, unix.ENOENT)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return nil, fmt.Errorf("nothing is behind %s any more; plug its adapter in: %w", path, err)
	}
	return nil, device.WithGroup(path, err)
}

// ioctl calls do with f's descriptor until no signal interrupts it, a few times
// at most: Go sends itself many.
func ioctl(f *os.File, do func(fd uintptr) unix.Errno) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	errno := unix.EINTR
	err = conn.Control(func(fd uintptr) {
		for range 5 {
			if errno = do(fd); errno != unix.EINTR {
				return
			}
		}
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}
