package agent

import (
	"context"
	"errors"
	"net"
	"time"
)

const (
	// A unit that takes the token as a credential reads it once, at its start,
	// so it gets one with some life left.
	credentialLife = 30 * time.Minute
	// An empty answer would start the unit without a token, so it is put off
	// for this long.
	credentialPatience = 20 * time.Second

	acceptPause = 100 * time.Millisecond

	maxReaders = 256 // whom the log names; there are as many as units
)

// tokenSocket writes the access token to whoever connects, and closes: what
// systemd's LoadCredential= reads (systemd.exec(5)). It exists only while the
// device is linked, for a missing socket stops a unit and an empty answer
// does not.
type tokenSocket struct {
	listener *unixListener
	stop     context.CancelFunc
}

// keepTokenSocket opens or closes token.sock.
func (a *Agent) keepTokenSocket(wanted bool) {
	if wanted == (a.tokenSock != nil) {
		return
	}
	if !wanted {
		a.tokenSock.close()
		a.tokenSock = nil
		return
	}
	l, err := a.listenUnix(tokenSockName, -1, connectionRoom()/8)
	if err != nil {
		a.cfg.Log.Error("cannot open the token socket", "error", err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	a.tokenSock = &tokenSocket{l, stop}
	go a.serveTokens(ctx, l)
}

func (s *tokenSocket) close() {
	s.stop()
	_ = s.listener.Close()
}

func (a *Agent) serveTokens(ctx context.Context, l *unixListener) {
	readers := map[reader]bool{} // that the log knows
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no file descriptor left, say: programs will close some
			select {
			case <-time.After(acceptPause):
				continue
			case <-ctx.Done():
				return
			}
		}
		conn, _ := c.(*unixConn)
		if denied := conn.denied != (Problem{}); denied || conn.surplus {
			if denied {
				a.logDenial(conn)
			}
			c.Close()
			continue
		}
		// Once each, so that a timer does not fill the log.
		if who := conn.peer.reader; !readers[who] && len(readers) < maxReaders {
			readers[who] = true
			a.cfg.Log.Info("the access token goes out by token.sock", "to", conn.peer.String())
		}
		if v := a.view.Load(); v.access.enough(a.cfg.Uptime(), credentialLife) && !v.reported {
			handOut(c, v.access) // at once: a new connection's buffer takes it whole
			continue
		}
		go func() {
			ctx, stop := context.WithTimeout(ctx, credentialPatience+time.Second)
			defer stop()
			acc, r, err := a.goodToken(ctx, credentialLife, credentialPatience)
			if err != nil || r.outcome != done {
				c.Close()
				return
			}
			handOut(c, acc)
		}()
	}
}

func handOut(c net.Conn, acc access) {
	_, _ = c.Write([]byte(acc.Token.Reveal())) // the reader may have gone
	c.Close()
}
