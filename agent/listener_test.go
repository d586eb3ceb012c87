package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A program that opens connections and forgets them must not use up what the
// network, the store and the inbox need.
func TestForgottenConnectionsLeaveRoom(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if room := uint64(connectionRoom()); room+keptFiles > limit.Cur {
		t.Errorf("%d connections of %d descriptors: want %d left", room, limit.Cur, keptFiles)
	}

	dir, err := os.MkdirTemp("", "lwa") // a short path, for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	a := &Agent{cfg: Config{RuntimeDir: dir}}
	const places = 3
	l, err := a.listenUnix("test.sock", -1, places)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served <- c
		}
	}()
	dial := func() net.Conn {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		c, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, "test.sock"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for range places {
		dial()
	}
	var first net.Conn
	for i := range places {
		if c := <-served; i == 0 {
			first = c
		}
	}
	turnedAway := dial()
	_ = turnedAway.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := turnedAway.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("one connection too many is kept waiting (%v), want it closed", err)
	}
	first.Close()
	first.Close() // twice, as net/http may
	dial()
	select {
	case <-served:
	case <-time.After(10 * time.Second):
		t.Error("the place of a connection that ended is not given to the next")
	}
}

// A moment without memory (ENOMEM, ENOBUFS) must not end a socket for ever: its file
// would be there, and nobody behind it. Here another error stands for them, of a
// socket that does not listen.
func TestAcceptThatFailsEndsNoSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "lwa")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	a := &Agent{cfg: Config{RuntimeDir: dir}}
	l, err := a.listenUnix("test.sock", -1, 3)
	must(t, err)
	server := &http.Server{Handler: http.NotFoundHandler()}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	raw, err := l.SyscallConn()
	must(t, err)
	deaf, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(deaf)
	listening := -1
	must(t, raw.Control(func(fd uintptr) {
		listening, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		err = errors.Join(err, unix.Dup3(deaf, int(fd), unix.O_CLOEXEC))
	}))
	must(t, err)
	defer unix.Close(listening)
	c, err := (&net.Dialer{}).DialContext(t.Context(), "unix", l.path)
	must(t, err)
	defer c.Close()
	select {
	case err := <-ended:
		t.Fatalf("the server ended with %v", err)
	case <-time.After(2 * acceptPause): // it has tried by now
	}
	must(t, raw.Control(func(fd uintptr) { err = unix.Dup3(listening, int(fd), unix.O_CLOEXEC) }))
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	must(t, err)
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Errorf("nobody answers any more: %v", err)
	}
	must(t, server.Close())
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("the server ended with %v", err)
	}
}
