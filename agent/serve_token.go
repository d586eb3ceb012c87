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
		if ok, why := conn.may(rightToken); !ok || conn.surplus {
			if !ok {
				a.logDenial(conn, why)
			}
			c.Close()
			continue
		}
		if v := a.view.Load(); v.access.enough(a.cfg.Uptime(), credentialLife) && !v.reported {
			a.handOut(conn, v.access) // at once: a new connection's buffer takes it whole
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
			a.handOut(conn, acc)
		}()
	}
}

func (a *Agent) handOut(c *unixConn, acc access) {
	a.handedOut(c, a.cfg.Uptime())
	_, _ = c.Write([]byte(acc.Token.Reveal())) // the reader may have gone
	_ = c.Close()
}
