package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wired is a process of the agent's whose devices are simulated.
type wired struct {
	*process
	began time.Time // just before its exec
}

// launchWired starts a command whose requests to devices the wires answer.
func (d *device) launchWired(ctx context.Context, cmd *exec.Cmd, w *wires) (*wired, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "wired"), os.NewFile(uintptr(pair[1]), "wired")
	defer ours.Close()
	cmd.Path, cmd.Args = self, append([]string{self, wiredCommand}, cmd.Args...)
	cmd.ExtraFiles = []*os.File{theirs}
	p, err := d.launch(cmd)
	theirs.Close()
	if err != nil {
		return nil, err
	}
	listener, err := takeListener(p, ours)
	if err != nil {
		return nil, errors.Join(d.explain(err), p.stop(), ctx.Err())
	}
	go w.answer(listener)
	began := time.Now()
	if _, err := ours.Write([]byte{1}); err != nil {
		return nil, err
	}
	return &wired{p, began}, nil
}

func takeListener(p *process, link *os.File) (int, error) {
	text := make([]byte, 16)
	n, err := link.Read(text)
	if err != nil {
		return 0, fmt.Errorf("the command does not start with simulated devices: %w", err)
	}
	number, err := strconv.Atoi(string(text[:n]))
	if err != nil {
		return 0, err
	}
	at, err := unix.PidfdOpen(p.Process.Pid, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(at)
	return unix.PidfdGetfd(at, number, 0)
}

// request is an ioctl request of another process that waits for its answer.
type request struct {
	listener int
	id       uint64
	pid      int // of the thread
	fd       int // that it asks
	code     uint32
	argument uintptr
}

// Structures of linux/seccomp.h.
type (
	seccompNotif struct {
		id         uint64
		pid, flags uint32
		nr, arch   uint32
		pointer    uint64
		args       [6]uint64
	}
	seccompAnswer struct {
		id    uint64
		value int64
		errno int32 // negative
		flags uint32
	}
	seccompAddFD struct {
		id                        uint64
		flags, from, to, openWith uint32
	}
)

// answerRequests answers the requests that come to a listener until all processes
// behind it have ended.
func answerRequests(listener int, handle func(request) (int, error)) {
	defer unix.Close(listener)
	for {
		poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil || poll[0].Revents&unix.POLLIN == 0 {
			return
		}
		var n seccompNotif
		if ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != nil {
			continue // whoever asked was interrupted, or has ended
		}
		value, err := handle(request{listener, n.id, int(n.pid), int(n.args[0]), uint32(n.args[1]), uintptr(n.args[2])})
		a := seccompAnswer{id: n.id, value: int64(value)}
		if err != nil {
			errno, ok := errors.AsType[unix.Errno](err)
			if !ok {
				errno = unix.EIO
			}
			a.value, a.errno = 0, -int32(errno)
		}
		_ = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a)) // it fails for one that has ended
	}
}

func ioctl(fd int, code uintptr, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), code, uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// give opens a descriptor in the process that asks, which closes on exec.
func (r request) give(f *os.File) (int, error) {
	a := seccompAddFD{id: r.id, from: uint32(f.Fd()), openWith: unix.O_CLOEXEC}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.listener), unix.SECCOMP_IOCTL_NOTIF_ADDFD, uintptr(unsafe.Pointer(&a)))
	if errno != 0 {
		return 0, errno
	}
	return int(fd), nil
}

// read copies memory of the process that asks.
func (r request) read(at uintptr, to []byte) error {
	if len(to) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &to[0]}}
	local[0].SetLen(len(to))
	n, err := unix.ProcessVMReadv(r.pid, local, []unix.RemoteIovec{{Base: at, Len: len(to)}}, 0)
	return whole(n, len(to), err)
}

// write is read's opposite.
func (r request) write(at uintptr, from []byte) error {
	if len(from) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &from[0]}}
	local[0].SetLen(len(from))
	n, err := unix.ProcessVMWritev(r.pid, local, []unix.RemoteIovec{{Base: at, Len: len(from)}}, 0)
	return whole(n, len(from), err)
}

func whole(n, want int, err error) error {
	if err == nil && n != want {
		err = unix.EFAULT
	}
	return err
}

// fetch copies a structure that holds no pointer of ours.
func fetch[T any](r request, at uintptr) (value T, err error) {
	return value, r.read(at, bytesOf(&value))
}

func store[T any](r request, at uintptr, value T) error { return r.write(at, bytesOf(&value)) }

func bytesOf[T any](value *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(value)), unsafe.Sizeof(*value))
}
