package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"lwa-agent/agent"
)

// script is an agent that says what it is told to, for a display process.
type script struct {
	server *http.Server
	lines  chan agent.Status
}

// openScript opens the events.sock of a device whose agent does not run.
func (d *device) openScript(ctx context.Context) (*script, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", d.path("run/events.sock"))
	if err != nil {
		return nil, err
	}
	s := &script{lines: make(chan agent.Status)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("POST /display", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what can be seen is looked at
		w.WriteHeader(http.StatusNoContent)
	})
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: patience}
	go func() { _ = s.server.Serve(listener) }() // ends with close
	return s, nil
}

func (s *script) close() { _ = s.server.Close() }

func (s *script) events(w http.ResponseWriter, r *http.Request) {
	out := json.NewEncoder(w)
	for {
		select {
		case <-r.Context().Done():
			return
		case status := <-s.lines:
			if errors.Join(out.Encode(status), http.NewResponseController(w).Flush()) != nil {
				return
			}
		}
	}
}

// say hands a status to the display process.
func (s *script) say(ctx context.Context, status agent.Status) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case s.lines <- status:
		return nil
	case <-ctx.Done():
		return errors.New("the display process does not listen")
	}
}

// until waits for something that is looked at every few milliseconds.
func until(ctx context.Context, limit time.Duration, what string, is func() bool) error {
	for began := time.Now(); !is(); {
		if time.Since(began) > limit {
			return errors.New(what)
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
