package agent

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	askPatience = 5 * time.Second // of GET /token for a refresh

	// A unit that takes the token as a credential reads it once, at its start,
	// so it gets one with some life left.
	credentialLife = 30 * time.Minute
	// An empty answer would start the unit without a token, so it is put off
	// for this long.
	credentialPatience = 20 * time.Second
)

// goodToken returns an access token that is good for minValid, waiting up to
// patience for a refresh where that is needed. The usual case reads one
// pointer: neither the network nor a thousand clients hold it up.
func (a *Agent) goodToken(ctx context.Context, minValid, patience time.Duration) (access, replied, error) {
	v := a.view.Load()
	if v.access.enough(a.cfg.Uptime(), minValid) && !v.reported {
		return v.access, replied{}, nil
	}
	r, err := a.ask(ctx, func(id uint64) event { return tokenAsked{id, minValid, patience} })
	return r.access, r, err
}

func (a *Agent) getToken(w http.ResponseWriter, r *http.Request) {
	var minValid time.Duration
	if text := r.URL.Query().Get("min_valid"); text != "" {
		var err error
		if minValid, err = parseDuration(text); err != nil {
			fail(w, http.StatusBadRequest, Problem{Code: "min_valid", Message: "min_valid is not a duration", Hint: "write it like min_valid=60s"})
			return
		}
	}
	acc, replied, err := a.goodToken(r.Context(), minValid, askPatience)
	if err != nil {
		failStopping(w)
		return
	}
	if replied.outcome != done {
		a.failToken(w, replied)
		return
	}
	now := a.cfg.Uptime()
	left := acc.left(now)
	a.handedOut(connOf(r), now)
	answer(w, http.StatusOK, struct {
		Token     string    `json:"access_token"`
		Type      string    `json:"token_type"`
		ExpiresIn int64     `json:"expires_in"`
		ExpiresAt time.Time `json:"expires_at"`
	}{acc.Token.Reveal(), "bearer", int64(left / time.Second), time.Now().Add(left).UTC().Truncate(time.Second)})
}

// failToken says why there is no token, and with a device that is not linked
// also how to link it.
func (a *Agent) failToken(w http.ResponseWriter, r replied) {
	if r.outcome != notLinked {
		failReply(w, r)
		return
	}
	s := a.view.Load().status
	answer(w, http.StatusConflict, struct {
		problemAnswer
		AuthorizeURL    string `json:"authorize_url,omitempty"`
		UserCode        string `json:"user_code,omitempty"`
		VerificationURI string `json:"verification_uri,omitempty"`
	}{problemAnswer{r.problem.Code, r.problem.Message, r.problem.Hint}, s.AuthorizeURL, s.UserCode, s.VerificationURI})
}

// parseDuration takes Go's form and bare seconds.
func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("negative")
	}
	return d, err
}

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
		if err != nil {
			return // closed
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
