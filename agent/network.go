package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// WatchNetwork returns a channel that tells when an address came that reaches
// beyond the link, or a default route, until ctx is done (rtnetlink(7)). What
// goes away, and what a kernel sets up for itself, gives no hope of Amazon.
func WatchNetwork(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("netlink socket", err)
	}
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(os.NewSyscallError("netlink bind", err), unix.Close(fd))
	}
	// ENOBUFS is an overrun: news all the same.
	return tellNews(ctx, os.NewFile(uintptr(fd), "netlink"), unix.ENOBUFS, givesHope), nil
}

// givesHope reports whether one of the messages is of a new way to the world
// (netlink(7): a header of 16 bytes before each; rtnetlink(7): ifaddrmsg, rtmsg).
func givesHope(messages []byte) bool {
	const header = unix.SizeofNlMsghdr
	for len(messages) >= header {
		size := int(binary.NativeEndian.Uint32(messages))
		if size < header || size > len(messages) {
			return false
		}
		body := messages[header:size]
		switch kind := binary.NativeEndian.Uint16(messages[4:]); {
		case kind == unix.RTM_NEWADDR && len(body) >= unix.SizeofIfAddrmsg:
			if scope := body[3]; scope < unix.RT_SCOPE_LINK {
				return true
			}
		case kind == unix.RTM_NEWROUTE && len(body) >= unix.SizeofRtMsg:
			if bits, kind := body[1], body[7]; bits == 0 && kind == unix.RTN_UNICAST {
				return true
			}
		}
		messages = messages[min(len(messages), (size+3)&^3):]
	}
	return false
}

// tellNews reads a file of the kernel's, which must not block, until ctx is done,
// and tells of each read that is news, or fails with the given error. It never
// tells the same news twice to a reader who has not listened yet.
func tellNews(ctx context.Context, file *os.File, failure unix.Errno, isNews func([]byte) bool) <-chan struct{} {
	news := make(chan struct{}, 1)
	context.AfterFunc(ctx, func() { _ = file.Close() }) // ends a Read
	go func() {
		buf := make([]byte, 8<<10)
		for {
			n, err := file.Read(buf)
			if err != nil && !errors.Is(err, failure) {
				return
			}
			if err == nil && !isNews(buf[:n]) {
				continue
			}
			select {
			case news <- struct{}{}:
			default:
			}
		}
	}()
	return news
}
