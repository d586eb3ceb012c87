package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	rowStart  = "start"
	startRuns = 150
)

// start measures how soon a device that is linked has its socket again: from
// before the fork to the end of the first answer of GET /status.
func (b *bench) start(ctx context.Context) error {
	d, err := b.startLinked(ctx, deviceOptions{})
	if err != nil {
		return err
	}
	var took []time.Duration
	for range startRuns {
		if err := d.core.stop(); err != nil {
			return d.explain(err)
		}
		one, err := d.startTimed(ctx)
		if err != nil {
			return d.explain(err)
		}
		took = append(took, one)
	}
	b.found(rowStart, summarize(milliseconds(took), "from before the fork to the end of the first answer to GET /status, "+
		"asked when the socket has its name (told by inotify, so that nothing polls); a linked device, started again after SIGTERM."))
	return d.end()
}

func (d *device) startTimed(ctx context.Context) (time.Duration, error) {
	names, err := watchNames(d.path("run"))
	if err != nil {
		return 0, err
	}
	defer names.close()
	began := time.Now()
	if err := d.start(ctx); err != nil {
		return 0, err
	}
	if err := names.wait("agent.sock"); err != nil {
		return 0, err
	}
	c, err := d.dial("agent.sock")
	if err != nil {
		return 0, err
	}
	defer c.close()
	_, err = c.get(getStatus)
	return time.Since(began), err
}

// nameWatch tells when a file came to its name by rename(2).
type nameWatch struct{ fd int }

func watchNames(dir string) (nameWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nameWatch{}, err
	}
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		return nameWatch{}, errors.Join(err, unix.Close(fd))
	}
	return nameWatch{fd}, nil
}

func (w nameWatch) close() { _ = unix.Close(w.fd) }

func (w nameWatch) wait(name string) error {
	deadline := time.Now().Add(patience)
	buf := make([]byte, 4096)
	for time.Now().Before(deadline) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, int(time.Until(deadline)/time.Millisecond))
		if errors.Is(err, unix.EINTR) || n == 0 {
			continue
		}
		if n, err = unix.Read(w.fd, buf); err != nil {
			return err
		}
		if hasName(buf[:n], name) {
			return nil
		}
	}
	return fmt.Errorf("%s does not appear", name)
}

// hasName reports whether one of the events (inotify(7)) is about name.
func hasName(events []byte, name string) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		length := int(binary.NativeEndian.Uint32(events[12:]))
		text := events[unix.SizeofInotifyEvent : unix.SizeofInotifyEvent+length]
		if string(bytes.TrimRight(text, "\x00")) == name {
			return true
		}
		events = events[unix.SizeofInotifyEvent+length:]
	}
	return false
}
