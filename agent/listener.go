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
	"time"

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

	acceptPause = 100 * time.Millisecond
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

	rules  *atomic.Pointer[rules] // nil: its group alone decides
	offers right                  // what rules are about that is to be had there
	letsIn bool                   // others than its group may connect, by rules
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
	u := &unixListener{UnixListener: l, path: path, end: end, free: make(chan struct{}, connections), accepted: &a.accepted, offers: everything}
	if name == tokenSockName {
		u.offers = rightToken
	}
	if name != eventsSockName {
		u.rules = &a.rules
		a.letIn(u)
	}
	return u, nil
}

// Close may be called again, as net/http does from a goroutine of its own: by
// then the name may be another agent's.
func (l *unixListener) Close() error { return l.end() }

// Accept numbers the connections and notes whose they are. It closes those for
// which there is no room. Its only error is net.ErrClosed: of any other net/http
// would give the socket up, although descriptors and memory (accept(2)) come back.
func (l *unixListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			time.Sleep(acceptPause)
			continue
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
				Conn: c, peer: p, on: l, id: l.accepted.Add(1), leave: leave,
				judgement: l.judge(p), surplus: !p.isPrivileged() && n > maxOfUser,
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

// judgement is what somebody may have of a socket.
type judgement struct {
	by     *rules
	has    right
	denied Problem // why nothing of it; zero: something
}

// judge decides about p, whatever the mode of the socket's file has come to be, and
// whoever handed the connection on.
func (l *unixListener) judge(p peer) judgement {
	v := judgement{has: everything}
	if l.rules != nil {
		v.by = l.rules.Load()
	}
	if p.isPrivileged() {
		return v
	}
	gid, found := l.group()
	if !found {
		gid = uint32(os.Getegid())
	}
	switch {
	case v.by != nil:
		if v.has = v.by.of(p, gid); v.has&l.offers != 0 {
			return v
		}
	case slices.Contains(p.gids, gid):
		return v
	}
	v.has, v.denied = 0, p.denial(filepath.Base(l.path), gid)
	if v.by != nil && v.by.names(p) {
		v.denied = p.lacking(l.offers, 0)
	}
	return v
}

// may reports whether the connection's program may have all of what is needed
// now, or says why not: the rules may have changed since it connected.
func (c *unixConn) may(needed right) (bool, Problem) {
	if c.on.rules != nil && c.on.rules.Load() != c.by {
		c.judgement = c.on.judge(c.peer)
	}
	switch {
	case c.denied != (Problem{}):
		return false, c.denied
	case c.has&needed != needed:
		return false, c.peer.lacking(needed, c.has)
	}
	return true, Problem{}
}

func (c *unixConn) socket() string { return filepath.Base(c.on.path) }

// unixConn is an accepted connection with its number, its place and whose it is.
// What may change belongs to the goroutine that serves it.
type unixConn struct {
	net.Conn
	peer peer
	on   *unixListener
	id   uint64
	judgement
	surplus bool    // its user has too many: it is told so, and nothing else
	taken   *taking // where its hand-outs are counted; nil before the first
	leave   func()
}

func (c *unixConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
