package agent

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
)

func TestEverythingElseIsNotThere(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	for _, c := range []struct{ socket, method, target string }{
		{eventsSockName, "GET", "/token"},
		{eventsSockName, "GET", "/token?min_valid=0"},
		{eventsSockName, "POST", "/refused"},
		{eventsSockName, "POST", "/code"},
		{eventsSockName, "POST", "/relink"},
		{eventsSockName, "DELETE", "/relink"},
		{eventsSockName, "POST", "/unlink"},
		{eventsSockName, "POST", "/attend"},
		{eventsSockName, "POST", "/import"},
		{eventsSockName, "GET", "/../token"},
		{eventsSockName, "GET", "//token"},
		{eventsSockName, "GET", "/events/../token"},
		{agentSockName, "POST", "/display"},
		{agentSockName, "GET", "/code"},
		{agentSockName, "POST", "/token"},
		{agentSockName, "GET", "/"},
		{agentSockName, "GET", "/Token"},
		{agentSockName, "PUT", "/unlink"},
		{agentSockName, "GET", "//token"},
		{agentSockName, "GET", "/status/../token"},
		{agentSockName, "GET", "/./status"},
		{agentSockName, "GET", "/status/"},
		{agentSockName, "CONNECT", "/token"},
	} {
		client := s.client(c.socket)
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // programs follow none
		a := s.request(client, c.method, c.target, "")
		if a.status != 404 && a.status != 405 || strings.Contains(a.text, "Atza|") {
			t.Errorf("%s: %s %s answers %d %s, want 404", c.socket, c.method, c.target, a.status, a.text)
		}
		s.checkFailure(c.socket+": "+c.method+" "+c.target, a)
	}
	s.await("linked still", func(st Status) bool { return st.State == Linked })
}

func TestGarbageAndSlownessHarmNobody(t *testing.T) {
	t.Parallel() // it waits
	s := serveAgent(t, nil)
	s.link()
	var clients sync.WaitGroup
	for _, socket := range []string{agentSockName, eventsSockName} {
		for _, raw := range []string{
			"\x00\xff\x16\x03\x01", "GET\r\n\r\n", "POST /code HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", "POST /code HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
			"GET /token HTTP/9.9\r\n\r\n", "GET /status HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 20_000) + "\r\n\r\n", "POST /code HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		} {
			clients.Go(func() {
				c, err := net.Dial("unix", s.path(socket))
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_ = c.SetDeadline(time.Now().Add(patience))
				_, _ = c.Write([]byte(raw))
				_ = c.(*net.UnixConn).CloseWrite()
				if text, err := io.ReadAll(c); strings.Contains(string(text), "Atza|") || err != nil && !isReset(err) {
					t.Errorf("%.20q on %s: %v", raw, socket, err)
				}
			})
		}
		clients.Go(func() { // half a request, and then nothing
			c, err := net.Dial("unix", s.path(socket))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			begin := time.Now()
			_ = c.SetDeadline(begin.Add(patience))
			_, _ = c.Write([]byte("GET /status HTTP/1.1\r\nHost:"))
			if _, err := io.ReadAll(c); err != nil && !isReset(err) {
				t.Errorf("a client that says nothing more keeps %s for %v (%v)", socket, time.Since(begin), err)
			}
		})
	}
	for range 20 {
		s.want(s.do("GET", "/token", ""), 200, "among all that")
	}
	clients.Wait()
	s.want(s.do("GET", "/token", ""), 200, "after all that")
}

func isReset(err error) bool {
	return strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "broken pipe")
}

// gate is a line on which requests wait once it is shut.
type gate struct {
	to      http.RoundTripper
	shut    atomic.Bool
	arrived chan struct{}
	open    chan struct{}
}

func newGate(to http.RoundTripper) *gate {
	return &gate{to: to, arrived: make(chan struct{}, 100), open: make(chan struct{})}
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.shut.Load() {
		g.arrived <- struct{}{}
		<-g.open
	}
	return g.to.RoundTrip(r)
}

func TestAThousandClientsInAHangingRefreshGetTheCachedToken(t *testing.T) {
	var ahead atomic.Int64 // of the real uptime
	var line *gate
	s := serveAgent(t, func(cfg *Config) {
		line = newGate(cfg.Client.Transport)
		cfg.Client.Transport = line
		cfg.Uptime = func() time.Duration { return Uptime() + time.Duration(ahead.Load()) }
	})
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	line.shut.Store(true)
	ahead.Store(int64(50 * time.Minute))
	var clients sync.WaitGroup
	clients.Go(func() { // wants more than is left
		if a := s.do("GET", "/token?min_valid=20m", ""); a.status != 200 || !strings.HasPrefix(a.str("access_token"), "Atza|") {
			t.Errorf("a client that waits for the refresh: %d %s", a.status, a.text)
		}
	})
	select {
	case <-line.arrived:
	case <-time.After(patience):
		t.Fatal("no refresh began")
	}

	client := s.client(agentSockName)
	took := make([]time.Duration, 1000)
	begin := time.Now()
	var crowd sync.WaitGroup
	for i := range took {
		crowd.Go(func() {
			begin := time.Now()
			a := s.request(client, "GET", "/token", "")
			took[i] = time.Since(begin)
			if a.status != 200 || a.str("access_token") != token {
				t.Errorf("client %d: %d %s", i, a.status, a.text)
			}
		})
	}
	crowd.Wait()
	whole := time.Since(begin)
	close(line.open)
	clients.Wait()
	slices.Sort(took)
	t.Logf("1,000 clients at once while a refresh hangs: p50 %v, p99 %v, longest %v, all %v", took[500], took[990], took[999], whole)
	if took[999] > askPatience/2 {
		t.Errorf("a client waited %v for a cached token, as if for the refresh", took[999])
	}
	if n := s.sim.Count(lwatest.Refresh); n != 1 {
		t.Errorf("%d refreshes for 1,001 clients", n)
	}
}

func TestSocketsOfAKilledAgentAreReplaced(t *testing.T) {
	s := serveAgent(t, func(cfg *Config) {
		must(t, os.Mkdir(cfg.RuntimeDir, 0o755))
		for _, name := range []string{agentSockName, eventsSockName, tokenSockName, agentSockName + ".new"} {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(cfg.RuntimeDir, name), Net: "unix"})
			must(t, err)
			l.SetUnlinkOnClose(false)
			must(t, l.Close())
		}
	})
	s.want(s.do("GET", "/status", ""), 200, "stale sockets were there")
	if _, err := os.Lstat(s.path(tokenSockName)); !os.IsNotExist(err) {
		t.Errorf("token.sock of an agent that was killed is there without a link (%v)", err)
	}
	s.link()
	if got, err := s.readCredential(); err != nil || got == "" {
		t.Errorf("token.sock: %q, %v", got, err)
	}

	second := s.cfg
	if _, err := New(second); !errors.Is(err, errLocked) {
		t.Errorf("a second agent: %v, want it refused", err)
	}
	s.want(s.do("GET", "/token", ""), 200, "a second agent was started and refused")
	if got, err := s.readCredential(); err != nil || got == "" {
		t.Errorf("a second agent took token.sock away: %q, %v", got, err)
	}
}

func TestTokenSocketOutlivesAShortageOfFileDescriptors(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) { // a process of its own: the limit is one of the process
		return
	}
	s := serveAgent(t, nil)
	s.link()
	limit := unix.Rlimit{Cur: 100, Max: 100}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	waiting, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(waiting)
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if errors.Is(err, unix.EMFILE) {
			break
		}
		must(t, err)
		taken = append(taken, f)
	}
	must(t, unix.Connect(waiting, &unix.SockaddrUnix{Name: s.path(tokenSockName)}))
	must(t, unix.SetsockoptTimeval(waiting, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}))
	_, _ = unix.Read(waiting, make([]byte, 10)) // gives the agent a moment to find that it cannot accept
	for _, f := range taken {
		must(t, f.Close())
	}
	if got, err := s.readCredential(); err != nil || !strings.HasPrefix(got, "Atza|") {
		t.Errorf("after a moment without file descriptors nobody answers on token.sock any more (%v): a unit that takes the token from it hangs at its start", err)
	}
}

func TestReaderThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	s := serveAgent(t, nil)
	c, err := net.Dial("unix", s.path(eventsSockName))
	must(t, err)
	defer c.Close()
	_, err = c.Write([]byte("GET /events HTTP/1.1\r\nHost: a\r\n\r\n"))
	must(t, err)
	events := s.agent.servers[1].listener
	open := func() int { return len(events.free) }
	begin := time.Now()
	for n := 0; (n < 100 || open() > 0) && time.Since(begin) < patience; n++ {
		s.agent.ShowDisplays([]Display{{Driver: strings.Repeat("x", 10_000), Shows: time.Now().String()}})
		time.Sleep(time.Millisecond)
	}
	if n := open(); n != 0 {
		t.Errorf("after %v a client that reads nothing is still written to", time.Since(begin))
	}
}
