package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"math"
	"net/http"
	"strconv"
	"time"

	"lwa-agent/lwa"
)

const (
	agentSockName  = "agent.sock"
	eventsSockName = "events.sock"
	tokenSockName  = "token.sock"

	// DisplayGroup owns events.sock, where there is such a group, so that the
	// display process reaches it and nothing else.
	DisplayGroup = "lwa-agent-display"

	askPatience = 5 * time.Second // of GET /token for a refresh
	// A client that does not read is given up after this; the kernel's buffer
	// takes any answer of ours whole.
	writeTimeout = 2 * time.Second
	readTimeout  = 10 * time.Second // for a body, which a person may type
	maxHead      = 4 << 10          // bytes; net/http adds as much again
	maxBody      = 8 << 10          // bytes; a code or an address has at most 4,096
)

// listen opens the sockets. It comes after the lock on the state directory, so
// a second agent never takes the first one's sockets away.
func (a *Agent) listen() error {
	programs := http.NewServeMux()
	for _, request := range []struct {
		pattern string
		needed  right
		handler http.HandlerFunc
	}{
		{"GET /token", rightToken, a.getToken},
		{"POST /refused", rightToken, a.postRefused},
		{"POST /code", rightLink, a.postCode},
		{"POST /relink", rightLink, a.change(func(id uint64) event { return relinkAsked{id} })},
		{"DELETE /relink", rightLink, a.change(func(id uint64) event { return relinkCanceled{id} })},
		{"POST /unlink", rightLink, a.change(func(id uint64) event { return unlinkAsked{id} })},
		{"POST /attend", rightLink, a.postAttend},
		{"POST /import", rightLink, a.postImport},
		{"GET /metrics", rightStatus, a.getMetrics},
	} {
		programs.HandleFunc(request.pattern, a.needs(request.needed, request.handler))
	}
	a.handleReads(programs)

	displays := http.NewServeMux()
	displays.HandleFunc("POST /display", a.postDisplay)
	a.handleReads(displays)

	group := -1
	if gid, err := groupID(DisplayGroup); err == nil {
		group = gid
	}
	room := connectionRoom()
	err := a.serve(agentSockName, -1, room*3/4, programs)
	if err == nil {
		err = a.serve(eventsSockName, group, room/8, displays)
	}
	if err != nil {
		return runtimeError(err)
	}
	return nil
}

func (a *Agent) handleReads(mux *http.ServeMux) {
	mux.HandleFunc("GET /status", a.needs(rightStatus, a.getStatus))
	mux.HandleFunc("GET /events", a.needs(rightStatus, a.getEvents))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, Problem{Code: "not_found", Message: "there is no " + r.Method + " " + r.URL.Path + " here", Hint: "see the README for the requests of this socket"})
	})
}

// serve answers HTTP on a socket of the runtime directory until the end.
func (a *Agent) serve(name string, gid, connections int, handler http.Handler) error {
	l, err := a.listenUnix(name, gid, connections)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           a.guard(handler),
		ReadHeaderTimeout: 5 * time.Second,
		MaxHeaderBytes:    maxHead,
		ErrorLog:          log.New(io.Discard, "", 0), // nothing there but clients that went away
		ConnContext:       withConn,
	}
	if name == eventsSockName {
		server.ConnState = a.connChanged
	} else {
		server.IdleTimeout = time.Minute
	}
	a.servers = append(a.servers, httpSocket{server, l})
	go func() { _ = server.Serve(l) }() // ends with close
	return nil
}

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

func (a *Agent) postRefused(w http.ResponseWriter, r *http.Request) {
	if body, ok := readBody(w, r); ok {
		token := lwa.NewSecret(string(bytes.TrimSpace(body)))
		a.changeBy(w, r, http.StatusAccepted, func(id uint64) event { return tokenRefused{id, token} })
	}
}

func (a *Agent) postCode(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	drop, err := lwa.ParseDrop(body)
	if err != nil {
		fail(w, http.StatusBadRequest, notACode(err))
		return
	}
	a.changeBy(w, r, http.StatusAccepted, func(id uint64) event { return codePosted{question: id, drop: drop} })
}

// postAttend tells that a person is here, so a device that had stopped to
// renew its code for nobody offers one now.
func (a *Agent) postAttend(w http.ResponseWriter, _ *http.Request) {
	a.Attend()
	w.WriteHeader(http.StatusNoContent)
}

func (a *Agent) change(ev func(id uint64) event) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := readBody(w, r); ok {
			a.changeBy(w, r, http.StatusNoContent, ev)
		}
	}
}

func (a *Agent) changeBy(w http.ResponseWriter, r *http.Request, success int, ev func(id uint64) event) {
	replied, err := a.ask(r.Context(), ev)
	switch {
	case err != nil:
		failStopping(w)
	case replied.outcome == done:
		w.WriteHeader(success)
	default:
		failReply(w, replied)
	}
}

func failReply(w http.ResponseWriter, r replied) {
	if r.outcome == noToken {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(r.wait.Seconds())), 10))
	}
	fail(w, statusOf(r.outcome), r.problem)
}

func statusOf(o outcome) int {
	switch o {
	case done:
		return http.StatusOK
	case notLinked, conflict:
		return http.StatusConflict
	case noToken:
		return http.StatusServiceUnavailable
	case bad:
		return http.StatusBadRequest
	case tooMany:
		return http.StatusTooManyRequests
	case notSaved:
		return http.StatusInsufficientStorage
	}
	return http.StatusInternalServerError
}

func failStopping(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	fail(w, http.StatusServiceUnavailable, stoppingProblem())
}

func stoppingProblem() Problem {
	return Problem{Code: "stopping", Message: "the agent is stopping", Hint: "ask again in a moment"}
}

func notACode(err error) Problem {
	if e, is := errors.AsType[*lwa.DropError](err); is {
		return Problem{Code: "not_a_code", Message: e.Message, Hint: e.Hint}
	}
	return Problem{Code: "not_a_code", Message: err.Error()}
}

// readBody returns a small body, or answers why not.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, Problem{Code: "too_long", Message: "the text is longer than 8 KiB or ended early", Hint: "send the code or the address alone"})
		return nil, false
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, true
}

type problemAnswer struct {
	Error   string `json:"error"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func fail(w http.ResponseWriter, status int, p Problem) {
	answer(w, status, problemAnswer{p.Code, p.Message, p.Hint})
}

// answer writes JSON within a bounded time: a client that does not read must
// not keep a goroutine.
func answer(w http.ResponseWriter, status int, body any) {
	answerJSON(w, status, line(body))
}

func answerJSON(w http.ResponseWriter, status int, text []byte) {
	answerText(w, status, "application/json", text)
}

func answerText(w http.ResponseWriter, status int, kind string, text []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may have gone
}
