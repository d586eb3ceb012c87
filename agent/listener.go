package agent

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// keptFiles are descriptors that connections must leave to the network,
	// the store and the inbox: otherwise a program that opens connections and
	// forgets them would end the refreshing.
	keptFiles = 128
	// maxConnections bounds the memory that they may take, about 20 KiB each.
	maxConnections = 2048
)

// connectionRoom is how many connections all sockets may have together: three
// quarters for programs, an eighth for displays, an eighth for token.sock.
func connectionRoom() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		limit.Cur = 1024
	}
	return int(min(max(limit.Cur, 2*keptFiles)-keptFiles, maxConnections))
}

// unixListener is a socket that came to its name with its mode and group
// already set: nobody can connect to it in between.
type unixListener struct {
	*net.UnixListener
	end      func() error   // once
	free     chan struct{}  // a place for each connection that may be open
	accepted *atomic.Uint64 // connections of all sockets: their numbers
}

func (a *Agent) listenUnix(name string, gid, connections int) (*unixListener, error) {
	path := filepath.Join(a.cfg.RuntimeDir, name)
	tmp := path + ".new"
	if err := ignoreMissing(os.Remove(tmp)); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then the name is another
	if gid >= 0 {
		_ = os.Chown(tmp, -1, gid) // not a member: it stays with our own group
	}
	err = os.Chmod(tmp, 0o660)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(tmp))
	}
	end := sync.OnceValue(func() error { return errors.Join(ignoreMissing(os.Remove(path)), l.Close()) })
	return &unixListener{l, end, make(chan struct{}, connections), &a.accepted}, nil
}

// Close may be called again, as net/http does from a goroutine of its own: by
// then the name may be another agent's.
func (l *unixListener) Close() error { return l.end() }

// Accept numbers the connections, and closes those for which there is no room.
func (l *unixListener) Accept() (net.Conn, error) {
	for {
		c, err := l.UnixListener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.free <- struct{}{}:
			return &countedConn{Conn: c, id: l.accepted.Add(1), leave: sync.OnceFunc(func() { <-l.free })}, nil
		default:
			c.Close()
		}
	}
}

// countedConn is an accepted connection with its number and its place.
type countedConn struct {
	net.Conn
	id    uint64
	leave func()
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

func connID(c net.Conn) uint64 {
	if n, is := c.(*countedConn); is {
		return n.id
	}
	return 0
}
