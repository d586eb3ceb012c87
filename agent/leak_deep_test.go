//go:build deep

package agent

import (
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

// held is what this process holds.
type held struct{ goroutines, files int }

func heldNow(t *testing.T) held {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return held{runtime.NumGoroutine(), len(files)}
}

// TestNothingIsLeftBehind does all that programs do, over and over. It is not
// parallel, so that nobody else's goroutines are counted.
func TestNothingIsLeftBehind(t *testing.T) {
	const rounds = 10_000
	s := serveAgent(t, nil)
	s.link()
	round := func() {
		client := s.client(agentSockName)
		defer client.CloseIdleConnections()
		token := s.request(client, "GET", "/token", "").str("access_token")
		s.request(client, "POST", "/refused", token)
		s.request(client, "GET", "/token?min_valid=20m", "")
		s.request(client, "GET", "/status", "")
		s.request(client, "POST", "/code", "nonsense that is no code")
		s.request(client, "POST", "/relink", "")
		s.request(client, "DELETE", "/relink", "")
		if text, err := s.readCredential(); err != nil || text == "" {
			t.Fatalf("token.sock: %q, %v", text, err)
		}
		for _, socket := range []string{agentSockName, eventsSockName} { // and one that goes away in the middle
			c, err := net.Dial("unix", s.path(socket))
			must(t, err)
			_, err = c.Write([]byte("GET /events HTTP/1.1\r\nHost: a\r\n\r\nGET /st"))
			must(t, err)
			_, err = c.Read(make([]byte, 100))
			must(t, err)
			must(t, c.Close())
		}
	}
	for range 5 {
		round() // what is kept for good is made
	}
	settled := func(most held) held {
		now := heldNow(t)
		for begin := time.Now(); time.Since(begin) < patience && (now.goroutines > most.goroutines || now.files > most.files); now = heldNow(t) {
			time.Sleep(time.Millisecond)
		}
		return now
	}
	before := settled(held{25, 25})
	for range rounds {
		round()
	}
	after := settled(before)
	t.Logf("%d rounds: %+v before, %+v after", rounds, before, after)
	if after.goroutines > before.goroutines || after.files > before.files {
		t.Errorf("%+v after %d rounds, %+v before: it grows until nothing can be opened any more", after, rounds, before)
	}
}
