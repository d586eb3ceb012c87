package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lwa-agent/agent"
)

// patience bounds waits for things that come within milliseconds.
const patience = 20 * time.Second

// eventsAgent answers on events.sock of a runtime directory.
type eventsAgent struct {
	server   *http.Server
	statuses chan agent.Status
	reports  chan report
	full     atomic.Int32 // so many reports are too long for it
}

type report struct {
	connection net.Conn
	displays   []agent.Display
}

type connKey struct{}

func startEvents(t *testing.T, runtimeDir string) *eventsAgent {
	t.Helper()
	a := &eventsAgent{statuses: make(chan agent.Status), reports: make(chan report, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case st := <-a.statuses:
				if json.NewEncoder(w).Encode(st) != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("POST /display", func(w http.ResponseWriter, r *http.Request) {
		if a.full.Add(-1) >= 0 {
			w.Header().Set("Connection", "close") // as after a body that is not read to its end
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			w.Write(marshal(map[string]string{"error": "too_long", "message": "too long", "hint": "shorten it"}))
			return
		}
		var displays []agent.Display
		if err := json.NewDecoder(r.Body).Decode(&displays); err != nil {
			t.Errorf("POST /display: %v", err)
		}
		conn, _ := r.Context().Value(connKey{}).(net.Conn)
		a.reports <- report{conn, displays}
		w.WriteHeader(http.StatusNoContent)
	})
	a.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: patience,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	listener, err := net.Listen("unix", filepath.Join(runtimeDir, eventsSocketName))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.server.Serve(listener) }()
	t.Cleanup(func() { _ = a.server.Close() })
	return a
}

func (a *eventsAgent) say(t *testing.T, st agent.Status) {
	t.Helper()
	select {
	case a.statuses <- st:
	case <-time.After(patience):
		t.Fatal("nobody follows the events")
	}
}

// hears waits for the report in which the first display shows so much.
func (a *eventsAgent) hears(t *testing.T, shows string) report {
	t.Helper()
	var last report
	for {
		select {
		case last = <-a.reports:
			if len(last.displays) > 0 && last.displays[0].Shows == shows {
				return last
			}
		case <-time.After(patience):
			t.Fatalf("the agent is not told that the display shows %q; last it was told %+v", shows, last.displays)
		}
	}
}

// lockedBuffer is written and read at the same time.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuffer) until(t *testing.T, end string) string {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		select {
		case <-tick.C:
			if text := b.String(); strings.Contains(text, end) {
				return text
			}
		case <-limit:
			t.Fatalf("%q was not written", end)
		}
	}
}
