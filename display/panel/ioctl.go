package panel

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// request makes a request with an argument that is a pointer.
func request(f *os.File, code uintptr, argument unsafe.Pointer) error {
	return ioctl(f, func(fd uintptr) (errno unix.Errno) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, code, uintptr(argument))
		return errno
	})
}

// requestValue makes a request with an argument that is a number.
func requestValue(f *os.File, code, argument uintptr) error {
	return ioctl(f, func(fd uintptr) (errno unix.Errno) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, code, argument)
		return errno
	})
}

// requestAt makes a request that reads or fills what value points to.
func requestAt[T any](f *os.File, code uintptr, value *T) error {
	return request(f, code, unsafe.Pointer(value))
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
