package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"path"
	"time"
)

// deniedEvery keeps a program that tries again and again from filling the log.
const deniedEvery = time.Minute

type connKey struct{}

// withConn lets handlers know on which connection a request came.
func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(r *http.Request) *unixConn {
	c, _ := r.Context().Value(connKey{}).(*unixConn)
	return c
}

// guard answers those who may not use a socket, and those of whom there are too
// many, before anything of their request is looked at. The mode of the socket's
// file keeps most of them out already; this holds when that was changed, too,
// and for a connection that was handed on.
func (a *Agent) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := connOf(r)
		if ok, why := c.may(0); !ok {
			a.logDenial(c, why)
			turnAway(w, r, http.StatusForbidden, why)
			return
		}
		if c.surplus {
			w.Header().Set("Retry-After", "1")
			turnAway(w, r, http.StatusTooManyRequests, Problem{
				Code: "too_many_connections", Message: "the programs of user " + c.peer.user() + " have too many connections at once",
				Hint: "let them close what they do not use, and ask again in a moment",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// needs answers those who may use the socket and not have this of it.
func (a *Agent) needs(needed right, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := connOf(r)
		if ok, why := c.may(needed); !ok {
			a.logDenial(c, why)
			turnAway(w, r, http.StatusForbidden, why)
			return
		}
		next(w, r)
	}
}

// turnAway answers and closes. A client that is still sending would get an error
// for that and not see the answer, so its body is let pass, within bounds; one that
// asks before it sends (RFC 9110 section 10.1.1) is not asked to.
func turnAway(w http.ResponseWriter, r *http.Request, status int, p Problem) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(writeTimeout))
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, maxUnwanted) // the answer is the same whatever comes of it
	}
	w.Header().Set("Connection", "close")
	fail(w, status, p)
}

func (a *Agent) logDenial(c *unixConn, why Problem) {
	now, last := int64(a.cfg.Uptime()), a.denied.Load()
	if last != 0 && now-last < int64(deniedEvery) || !a.denied.CompareAndSwap(last, now) {
		return
	}
	a.cfg.Log.Warn("a program was denied", "peer", c.peer.String(), "why", why.Message, "hint", why.Hint)
}

// httpSocket is a socket with the server on it.
type httpSocket struct {
	server   *http.Server
	listener *unixListener
}

func (s httpSocket) close() {
	_ = s.listener.Close()
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
}

func notFound(w http.ResponseWriter, r *http.Request) {
	fail(w, http.StatusNotFound, Problem{Code: "not_found", Message: "there is no " + r.Method + " " + r.URL.Path + " here", Hint: "see the README for the requests of this socket"})
}

// exactly keeps from a mux what it would answer by itself, and not in our form: a
// redirect to a tidier path, and CONNECT.
func exactly(mux http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect || r.URL.Path != path.Clean(r.URL.Path) {
			notFound(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}
}
