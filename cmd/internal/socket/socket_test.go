package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/agent"
)

// answer has handler answer at the socket that it returns.
func answer(t *testing.T, handler http.HandlerFunc) *Socket {
	t.Helper()
	t.Chdir(t.TempDir()) // whose path can be too long for a socket
	listener, err := net.Listen("unix", "agent.sock")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return New("agent.sock")
}

func TestStatusCutShortIsAnAgentThatStopped(t *testing.T) {
	s := answer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"state":"linked"}` + "\n" + `{"state":"unl`))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	var seen []string
	err := s.Events(t.Context(), func(u Update) bool { seen = append(seen, u.Status.State); return true })
	if !errors.Is(err, ErrNotRunning) || len(seen) != 1 || seen[0] != "linked" {
		t.Errorf("saw %q and %v, want linked and an agent that may come back", seen, err)
	}
}

func TestStatusThatIsNoneIsAStranger(t *testing.T) {
	s := answer(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello\n")) })
	_, err := s.Until(t.Context(), time.Millisecond, func(agent.Status) bool { return false })
	if err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v, want one that ends the wait: no agent will come of it", err)
	}
}

// A hung agent takes connections, since the kernel does that, and says nothing.
func TestAgentThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go io.Copy(io.Discard, theirs)
		dial := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		s := &Socket{"agent.sock", &http.Transport{DialContext: dial, DisableKeepAlives: true}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		began := time.Now()
		err := s.Events(ctx, func(Update) bool { return true })
		if took := time.Since(began); !errors.Is(err, ErrNotRunning) || took != CallTimeout {
			t.Errorf("after %v: %v; want it said after %v that it does not answer, and another one waited for", took, err, CallTimeout)
		}
	})
}

func TestUntilSaysWhatItSawLastAndWhy(t *testing.T) {
	s := New(filepath.Join(t.TempDir(), "none"))
	if _, err := s.Until(soon(t), time.Millisecond, Named); !errors.Is(err, ErrNotRunning) {
		t.Errorf("error %v, want that no agent runs", err)
	}
	s = answer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"state":"unlinked"}` + "\n"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	if last, err := s.Until(soon(t), time.Millisecond, Named); last.State != agent.Unlinked || err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("last %q, error %v; want unlinked, and that the time was up", last.State, err)
	}
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
