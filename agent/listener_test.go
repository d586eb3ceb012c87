package agent

import (
	"context"
	"net"
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
