package agent

import (
	"bytes"
	"io"
	"log"
	"net/http"
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

	maxHead = 4 << 10 // bytes; net/http adds as much again
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
	mux.HandleFunc("/", notFound)
}

// serve answers HTTP on a socket of the runtime directory until the end.
func (a *Agent) serve(name string, gid, connections int, handler http.Handler) error {
	l, err := a.listenUnix(name, gid, connections)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           a.guard(exactly(handler)),
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
