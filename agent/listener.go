package agent

import (
	"net"
	"sync"

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
