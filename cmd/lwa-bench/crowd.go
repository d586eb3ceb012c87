package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// crowd has so many clients, each on a connection that it keeps, ask for the
// token at once and again as soon as they have it, until there were total
// hand-outs or the time is over. One thread plays them all, so that most of the
// machine is left to the agent. It returns how many there were, and how long
// they took.
func (d *device) crowd(ctx context.Context, clients, total int, within time.Duration) (answered int, took time.Duration, err error) {
	queue, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(queue)
	asking := make([]*connection, clients)
	for i := range asking {
		if asking[i], err = d.dial("agent.sock"); err != nil {
			return 0, 0, err
		}
		defer asking[i].close()
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(queue, unix.EPOLL_CTL_ADD, asking[i].fd, &event); err != nil {
			return 0, 0, err
		}
	}
	began := time.Now()
	for _, c := range asking {
		if _, err := unix.Write(c.fd, []byte(getToken)); err != nil {
			return 0, 0, err
		}
	}
	sent, events := clients, make([]unix.EpollEvent, clients)
	for answered < total && time.Since(began) < within {
		n, err := unix.EpollWait(queue, events, int(patience/time.Millisecond))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, 0, err
		case n == 0:
			return 0, 0, fmt.Errorf("the agent stopped to answer after %d hand-outs", answered)
		}
		for _, event := range events[:n] {
			if err := asking[event.Fd].readToken(); err != nil {
				return 0, 0, err
			}
			answered++
			if sent < total {
				sent++
				if _, err := unix.Write(asking[event.Fd].fd, []byte(getToken)); err != nil {
					return 0, 0, err
				}
			}
		}
		if ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
	}
	return answered, time.Since(began), nil
}
