package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wiredCommand as the first argument makes this program become the command that
// follows, with devices that are simulated: what that asks a bus, a pin or a
// framebuffer of the kernel, whoever started it is asked instead
// (seccomp_unotify(2)). So the agent is measured as it is shipped, drivers
// included, on a machine that has no panels.
const wiredCommand = "wired"

// wiredLink is the descriptor of the socket to whoever started it.
const wiredLink = 3

// Kinds of ioctl requests: the letter of linux/i2c-dev.h, linux/spi/spidev.h,
// linux/gpio.h and linux/fb.h, in the second byte of each.
const (
	kindI2C         = 0x07
	kindFramebuffer = 'F'
	kindSPI         = 'k'
	kindGPIO        = 0xb4
)

// becomeWired returns only if that fails.
func becomeWired(command []string) error {
	runtime.LockOSThread() // the filter is this thread's, which is the one that is left
	unix.CloseOnExec(wiredLink)
	listener, err := trapDevices()
	if err != nil {
		return fmt.Errorf("devices cannot be simulated, which needs Linux 5.19: %w", err)
	}
	if _, err := unix.Write(wiredLink, []byte(strconv.Itoa(listener))); err != nil {
		return err
	}
	// It takes the listener, whose only other end is here until then.
	if n, err := unix.Read(wiredLink, make([]byte, 1)); n != 1 {
		return errors.Join(errors.New("nobody waits for the command"), err)
	}
	return syscall.Exec(command[0], command, os.Environ())
}

// trapDevices has the ioctl requests of devices held, from now on and after an
// exec, until they are answered at the descriptor that it returns. Others go to
// the kernel, as everything else does.
func trapDevices() (listener int, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	const (
		load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jump = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		and  = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		ret  = unix.BPF_RET | unix.BPF_K

		callNumber = 0      // in struct seccomp_data
		request    = 16 + 8 // the lower half of the second argument, on machines that have that first
		letter     = 0xff00 // of a request
	)
	filter := []unix.SockFilter{
		{Code: load, K: callNumber},
		{Code: jump, K: unix.SYS_IOCTL, Jf: 6},
		{Code: load, K: request},
		{Code: and, K: letter},
		{Code: jump, K: kindI2C << 8, Jt: 4},
		{Code: jump, K: kindFramebuffer << 8, Jt: 3},
		{Code: jump, K: kindSPI << 8, Jt: 2},
		{Code: jump, K: kindGPIO << 8, Jt: 1},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
		{Code: ret, K: unix.SECCOMP_RET_USER_NOTIF},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Go sends its threads signals. One must not have a transfer done twice.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}
