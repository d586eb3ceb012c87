package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lwa-agent/agent"
)

// commandPatience bounds every wait of these tests; nothing waits for it unless it is
// broken.
const commandPatience = 20 * time.Second

// playedAgent answers on a socket as the agent does, with the statuses that a
// test publishes.
type playedAgent struct {
	t      *testing.T
	dir    string
	config string
	mux    *http.ServeMux

	attended chan bool // somebody said to be here

	server   *http.Server
	listener net.Listener
	mu       sync.Mutex
	statuses []agent.Status // all there ever were
	news     chan struct{}  // closed with each new one
}

// newFake prepares a device whose agent is not running.
func newFake(t *testing.T, first agent.Status) *playedAgent {
	t.Helper()
	dir, err := os.MkdirTemp("", "lwa") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f := &playedAgent{t: t, dir: dir, config: filepath.Join(dir, "config.toml"), mux: http.NewServeMux(), statuses: []agent.Status{first}, news: make(chan struct{}), attended: make(chan bool, 100)}
	if err := os.WriteFile(f.config, []byte("runtime_dir = \""+dir+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.mux.HandleFunc("GET /events", f.events)
	f.mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		statuses, _ := f.history()
		w.Write(append(marshal(statuses[len(statuses)-1]), '\n'))
	})
	f.mux.HandleFunc("POST /attend", func(w http.ResponseWriter, _ *http.Request) {
		f.attended <- true
		w.WriteHeader(http.StatusNoContent)
	})
	return f
}

// startFake is newFake with the agent running.
func startFake(t *testing.T, first agent.Status) *playedAgent {
	t.Helper()
	f := newFake(t, first)
	f.start()
	return f
}

func (f *playedAgent) socket() string { return filepath.Join(f.dir, "agent.sock") }

func (f *playedAgent) start() {
	f.t.Helper()
	l, err := net.Listen("unix", f.socket())
	if err != nil {
		f.t.Fatal(err)
	}
	server := &http.Server{Handler: f.mux}
	f.server, f.listener = server, l
	go server.Serve(l)
	f.t.Cleanup(func() { server.Close() })
}

func (f *playedAgent) stop() {
	f.server.Close()
	f.listener.Close() // which the server may not have known yet
}

func (f *playedAgent) history() ([]agent.Status, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statuses, f.news
}

// publish changes the status, as seen by everybody who follows.
func (f *playedAgent) publish(change func(s *agent.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.statuses[len(f.statuses)-1]
	change(&s)
	f.statuses = append(f.statuses, s)
	close(f.news)
	f.news = make(chan struct{})
}

func (f *playedAgent) events(w http.ResponseWriter, r *http.Request) {
	statuses, news := f.history()
	for seen := len(statuses) - 1; ; {
		for ; seen < len(statuses); seen++ {
			fmt.Fprintf(w, "%s\n", marshal(statuses[seen]))
		}
		w.(http.Flusher).Flush()
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
		statuses, news = f.history()
	}
}

// on answers a request with a status and, where that is no success, a problem.
func (f *playedAgent) on(pattern string, status int, p agent.Problem, then func(body string)) {
	f.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(status)
		if status/100 != 2 {
			w.Write(marshal(map[string]string{"error": p.Code, "message": p.Message, "hint": p.Hint}))
		}
		if then != nil {
			then(string(body))
		}
	})
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// result is what a finished command leaves behind.
type result struct {
	exit     int
	out, err string
}

func (f *playedAgent) run(stdin string, args ...string) result {
	f.t.Helper()
	c := f.begin(stdin, args...)
	return c.wait()
}

// command is one that is running.
type command struct {
	t        *testing.T
	out, err *buffer
	stop     context.CancelFunc
	done     chan int
}

func (f *playedAgent) begin(stdin string, args ...string) *command {
	f.t.Helper()
	return f.beginWith(bytes.NewBufferString(stdin), args...)
}

func (f *playedAgent) beginWith(stdin io.Reader, args ...string) *command {
	f.t.Helper()
	ctx, stop := context.WithCancel(f.t.Context())
	c := &command{t: f.t, out: newBuffer(), err: newBuffer(), stop: stop, done: make(chan int, 1)}
	streams := Streams{In: stdin, Out: c.out, Err: c.err, Env: func(string) string { return "" }}
	go func() { c.done <- Main(ctx, append([]string{"--config", f.config}, args...), streams) }()
	return c
}

func (c *command) wait() result {
	c.t.Helper()
	select {
	case status := <-c.done:
		return result{status, c.out.String(), c.err.String()}
	case <-time.After(commandPatience):
		c.t.Fatalf("the command does not end; it said\n%s%s", c.out, c.err)
		return result{}
	}
}

// buffer is a stream that can be waited on.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func newBuffer() *buffer { return &buffer{news: make(chan struct{})} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.news)
	b.news = make(chan struct{})
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await returns once the text holds a part.
func (b *buffer) await(t *testing.T, part string) {
	t.Helper()
	b.awaitAfter(t, 0, part)
}

// awaitAfter is await for what comes after the first bytes.
func (b *buffer) awaitAfter(t *testing.T, first int, part string) {
	t.Helper()
	deadline := time.After(commandPatience)
	for {
		b.mu.Lock()
		text, news := b.text.Bytes(), b.news
		found := bytes.Contains(text[first:], []byte(part))
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("nobody ever says %q; said was\n%s", part, b)
		}
	}
}

func (r result) expect(t *testing.T, why string, exit int, out, err string) {
	t.Helper()
	if r.exit != exit || r.out != out || r.err != err {
		t.Errorf("%s\n got status %d\nout: %s\nerr: %s\nwant status %d\nout: %s\nerr: %s", why, r.exit, r.out, r.err, exit, out, err)
	}
}

func timeAt(text string) *time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return &at
}
