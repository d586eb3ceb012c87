package agent

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// WatchNetwork returns a channel that tells when an address or a route came or
// went, until ctx is done (rtnetlink(7)). It never tells the same news twice
// to a reader who has not listened yet.
func WatchNetwork(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("netlink socket", err)
	}
	groups := uint32(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV6_ROUTE)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, errors.Join(os.NewSyscallError("netlink bind", err), unix.Close(fd))
	}
	socket := os.NewFile(uintptr(fd), "netlink") // non-blocking, so Close ends a Read
	changed := make(chan struct{}, 1)
	context.AfterFunc(ctx, func() { _ = socket.Close() })
	go func() {
		buf := make([]byte, 8<<10)
		for {
			_, err := socket.Read(buf)
			if err != nil && !errors.Is(err, unix.ENOBUFS) { // overrun: news all the same
				return
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return changed, nil
}
