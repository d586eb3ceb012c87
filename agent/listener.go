package agent

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// keptFiles are descriptors that connections must leave to the network,
	// the store and the inbox: otherwise a program that opens connections and
	// forgets them would end the refreshing.
	keptFiles = 128
	// maxConnections bounds the memory that they may take, about 20 KiB each.
	maxConnections = 2048

	// maxOfUser is how many connections a user has served at a time on a socket,
	// so that nobody takes all places. Root and the agent's own user, who could
	// stop the agent as well, have as many as there are. As many again are told
	// that there are too many; the rest is closed without a word.
	maxOfUser = 32
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
	path     string
	end      func() error   // once
	free     chan struct{}  // a place for each connection that may be open
	users    sync.Map       // uid to *atomic.Int32, how many connections are open; few uids may connect at all
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
	return &unixListener{UnixListener: l, path: path, end: end, free: make(chan struct{}, connections), accepted: &a.accepted}, nil
}

// Close may be called again, as net/http does from a goroutine of its own: by
// then the name may be another agent's.
func (l *unixListener) Close() error { return l.end() }

// Accept numbers the connections and notes whose they are. It closes those for
// which there is no room.
func (l *unixListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		p, err := peerOf(c)
		if err == nil { // else it is gone already
			if conn := l.admit(c, p); conn != nil {
				return conn, nil
			}
		}
		_ = c.Close()
	}
}

// admit gives a connection its place, if there is one.
func (l *unixListener) admit(c *net.UnixConn, p peer) *unixConn {
	counter, _ := l.users.LoadOrStore(p.uid, new(atomic.Int32))
	open, _ := counter.(*atomic.Int32)
	n := open.Add(1)
	if p.isPrivileged() || n <= 2*maxOfUser {
		select {
		case l.free <- struct{}{}:
			leave := sync.OnceFunc(func() { open.Add(-1); <-l.free })
			return &unixConn{
				Conn: c, peer: p, id: l.accepted.Add(1), leave: leave,
				denied: l.denies(p), surplus: !p.isPrivileged() && n > maxOfUser,
			}
		default:
		}
	}
	open.Add(-1)
	return nil
}

// group returns the group that owns the socket's file, whose members may use
// it: an administrator may have given it to another one.
func (l *unixListener) group() (gid uint32, ok bool) {
	info, err := os.Lstat(l.path)
	if err != nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Gid, true
}

// denies says why p may not use the socket, and nothing where it may: whatever
// the mode of its file has come to be, and whoever handed the connection on.
func (l *unixListener) denies(p peer) Problem {
	if p.isPrivileged() {
		return Problem{}
	}
	gid, found := l.group()
	if !found {
		gid = uint32(os.Getegid())
	}
	if slices.Contains(p.gids, gid) {
		return Problem{}
	}
	return p.denial(filepath.Base(l.path), gid)
}

// unixConn is an accepted connection with its number, its place and whose it is.
type unixConn struct {
	net.Conn
	peer    peer
	id      uint64
	denied  Problem // why it may not use the socket; zero: it may
	surplus bool    // its user has too many: it is told so, and nothing else
	leave   func()
}

func (c *unixConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
