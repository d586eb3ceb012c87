package linkpage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Connections at once, of all and of one machine. One takes about 50 KiB
	// with TLS, so strangers get 3 MB at most.
	maxConnections = 64
	maxOfOne       = 16

	requestTime = 10 * time.Second // from the first byte to the last, TLS included
	closeTime   = time.Second      // for answers that are under way
)

// newServer answers browsers, and strangers for no longer than they need.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       requestTime,
		WriteTimeout:      2 * requestTime, // a code may wait for the disk
		IdleTimeout:       requestTime,
		MaxHeaderBytes:    8 << 10,
		Protocols:         http1(),
		ErrorLog:          log.New(io.Discard, "", 0), // nothing there but strangers who did something odd
	}
}

// http1 leaves HTTP/2 out: one request at a time, so a connection is a bound.
func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// listen opens a TCP socket and says what is wrong in few words.
func listen(address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", address)
	if e, is := errors.AsType[*net.OpError](err); is {
		err = fmt.Errorf("%s: %w", address, unwrapped(e.Err))
	}
	return l, err
}

// unwrapped leaves out the name of the system call.
func unwrapped(err error) error {
	if number, is := errors.AsType[unix.Errno](err); is {
		return number
	}
	return err
}

func cureOfListen(err error, setting string) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return "end what uses that port; it is tried again by itself. Or set another " + setting
	case errors.Is(err, unix.EACCES):
		return "ports below 1024 are for root: set another " + setting
	default:
		return "correct it, or change " + setting + "; it is tried again by itself"
	}
}

// serve answers on l until the server is shut down.
func serve(s *http.Server, l net.Listener, secure *tls.Config) {
	l = limited(l)
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	go func() { _ = s.Serve(l) }() // ends with Shutdown
}

// shutDown ends a server and what it listens on, which it may not know of yet
// if it has only just begun to.
func shutDown(s *http.Server, listeners ...net.Listener) {
	closeAll(listeners)
	ctx, stop := context.WithTimeout(context.Background(), closeTime)
	defer stop()
	if s.Shutdown(ctx) != nil {
		_ = s.Close()
	}
}

// limitedListener closes connections that are too many.
type limitedListener struct {
	net.Listener

	mu  sync.Mutex
	all int
	of  map[netip.Addr]int
}

func limited(l net.Listener) *limitedListener {
	return &limitedListener{Listener: l, of: map[netip.Addr]int{}}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := hostOf(c.RemoteAddr().String())
		if l.enter(who) {
			return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(who) })}, nil
		}
		c.Close()
	}
}

func (l *limitedListener) enter(who netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConnections || l.of[who] >= maxOfOne {
		return false
	}
	l.all++
	l.of[who]++
	return true
}

func (l *limitedListener) leave(who netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.of[who]--; l.of[who] == 0 {
		delete(l.of, who)
	}
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// hostOf is the machine at an address with a port; zero for anything else.
func hostOf(address string) netip.Addr {
	a, _ := netip.ParseAddrPort(address)
	return a.Addr().Unmap()
}
