package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// served is an agent with real sockets and a simulated Amazon.
type served struct {
	t     testing.TB
	sim   *lwatest.Sim
	cfg   Config
	agent *Agent
	stop  func()
	log   safeBuffer
}

// serveAgent starts an agent that is not linked; with the test it ends.
func serveAgent(t testing.TB, change func(cfg *Config)) *served {
	t.Helper()
	// A socket's path has at most 107 bytes, and a test's directory many of them.
	dir, err := os.MkdirTemp("", "lwa-agent")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	endpoints, _ := lwa.RegionEndpoints("na")
	s := &served{t: t, sim: lwatest.New(lwatest.Options{})}
	s.cfg = Config{
		Client: lwa.Client{
			ID: lwatest.MobileClientID, Scopes: []string{"profile"}, RedirectURI: lwatest.ReturnURL, Endpoints: endpoints, Transport: s.sim.RoundTripper(),
		},
		Method: MethodCode, StateDir: filepath.Join(dir, "state"), RuntimeDir: filepath.Join(dir, "run"), BootID: "boot-1", Version: "1.2.3",
		Uptime: Uptime, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
	}
	if change != nil {
		change(&s.cfg)
	}
	s.start()
	t.Cleanup(func() {
		s.stop()
		for _, v := range s.sim.Violations() {
			t.Errorf("Amazon objects: %s", v)
		}
		if strings.Contains(s.log.String(), "Atza|") || strings.Contains(s.log.String(), "/ap/oa?") {
			t.Errorf("the log holds a secret or the authorize URL:\n%s", s.log.String())
		}
		if t.Failed() {
			t.Logf("the agent's log:\n%s", s.log.String())
		}
	})
	return s
}

func (s *served) start() {
	s.t.Helper()
	a, err := newAgent(s.cfg)
	must(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	s.agent = a
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				s.t.Errorf("the agent ended with %v", err)
			}
		case <-time.After(patience):
			s.t.Error("the agent does not stop")
		}
	})
	s.await("the first link or token", func(st Status) bool { return st.State == Linked || st.AuthorizeURL != "" || st.UserCode != "" })
}

// await waits for a status that fits.
func (s *served) await(what string, fits func(Status) bool) Status {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var last Status
	s.agent.Statuses(ctx, func(st Status) bool { last = st; return !fits(st) })
	if !fits(last) {
		s.t.Fatalf("%s: did not come about; the status is %+v", what, last)
	}
	return last
}

func (s *served) path(socket string) string { return filepath.Join(s.cfg.RuntimeDir, socket) }

// client speaks HTTP over one of the sockets, on as many connections as it needs.
func (s *served) client(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.path(socket))
	}
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 2000}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

type httpAnswer struct {
	status int
	header http.Header
	text   string
	fields map[string]any
}

func (a httpAnswer) str(name string) string { text, _ := a.fields[name].(string); return text }

func (s *served) request(c *http.Client, method, target, body string) httpAnswer {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://agent"+target, strings.NewReader(body))
	must(s.t, err)
	resp, err := c.Do(req)
	must(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(s.t, err)
	a := httpAnswer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &a.fields) // some have no body
	return a
}

// do is one request on agent.sock. What is no success must say why.
func (s *served) do(method, target, body string) httpAnswer {
	s.t.Helper()
	a := s.request(s.client(agentSockName), method, target, body)
	s.checkFailure(method+" "+target, a)
	return a
}

func (s *served) checkFailure(what string, a httpAnswer) {
	s.t.Helper()
	if a.status/100 != 2 && (a.str("error") == "" || a.str("message") == "" || a.header.Get("Content-Type") != "application/json") {
		s.t.Errorf("%s answers %d %s (%s), want JSON with error and message", what, a.status, a.text, a.header.Get("Content-Type"))
	}
}

func (s *served) want(a httpAnswer, status int, why string) httpAnswer {
	s.t.Helper()
	if a.status != status {
		s.t.Errorf("%s: %d %s, want %d", why, a.status, a.text, status)
	}
	return a
}

func (s *served) signIn() string {
	s.t.Helper()
	st := s.await("a QR code", func(st Status) bool { return st.AuthorizeURL != "" })
	back, err := s.sim.Allow(st.AuthorizeURL)
	must(s.t, err)
	return back
}

// restart ends the agent and starts another. It may send a code at once, where
// the first one would have to wait.
func (s *served) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

func (s *served) link() {
	s.t.Helper()
	s.want(s.do("POST", "/code", s.signIn()), 202, "a good code")
	s.await("linked", func(st Status) bool { return st.State == Linked && st.Account != "" })
}

func TestSocketsAreForTheGroupAndNobodyElse(t *testing.T) {
	old := unix.Umask(0)
	s := serveAgent(t, nil)
	unix.Umask(old)
	s.link()
	for _, name := range []string{agentSockName, eventsSockName, tokenSockName} {
		st, err := os.Lstat(s.path(name))
		if err != nil || st.Mode() != os.ModeSocket|0o660 {
			t.Errorf("%s has mode %v (%v), want a socket with 660", name, st.Mode(), err)
		}
	}
	st, err := os.Lstat(s.path(accessName))
	if err != nil || st.Mode() != 0o600 {
		t.Errorf("%s has mode %v (%v), want 600: it holds the token", accessName, st.Mode(), err)
	}
	s.stop()
	for _, name := range []string{agentSockName, eventsSockName, tokenSockName} {
		if _, err := os.Lstat(s.path(name)); !os.IsNotExist(err) {
			t.Errorf("%s is left over by an agent that ended (%v)", name, err)
		}
	}
}

func TestAgentThatNobodyCanReachEnds(t *testing.T) {
	s := serveAgent(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.stop()
	a, err := newAgent(s.cfg)
	must(t, err)
	must(t, os.RemoveAll(s.cfg.RuntimeDir))
	if err := a.Run(ctx); err == nil || !strings.Contains(err.Error(), "agent.sock was removed") {
		t.Errorf("ended with %v, want that its socket was removed: systemd would never mend it", err)
	}
	s.start()
}

func TestLinkIsSavedWithoutASerialNumber(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	s.stop()
	path := filepath.Join(s.cfg.StateDir, serialName)
	must(t, os.Remove(path))
	must(t, os.Mkdir(path, 0o700)) // cannot be read, whoever we are
	s.sim.Change(func(o *lwatest.Options) { o.Rotate = true })
	must(t, os.Remove(s.path(accessName)))
	s.start()
	st := s.await("a refresh with a new token", func(st Status) bool { return st.ExpiresAt != nil && st.StoreWrites > 0 })
	if st.LastError != nil && st.LastError.Code == "store" {
		t.Errorf("%+v: a rotated token would be lost in a power cut, for want of a number", st.LastError)
	}
}

// Whoever moves the state directory away, or mounts another over it, while the
// agent runs takes the serial number's file along.
func TestSerialNumberGoesAlongIntoAStateDirectoryThatWasMadeAnew(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	serial := func() string {
		return s.await("linked", func(st Status) bool { return st.State == Linked }).SerialNumber
	}
	before := serial()
	must(t, os.Rename(s.cfg.StateDir, s.cfg.StateDir+".away"))
	must(t, os.Mkdir(s.cfg.StateDir, 0o700))
	s.want(s.do(http.MethodPost, "/relink", ""), http.StatusNoContent, "it saves the record")
	s.restart()
	if after := serial(); after != before {
		t.Errorf("the serial number is %q, want %q: linking again would make a second device in the person's account", after, before)
	}
}

func TestDamagedSerialNumberIsKeptBeside(t *testing.T) {
	dir := t.TempDir()
	st, err := openStore(dir, kernel{})
	must(t, err)
	defer st.close()
	for _, damage := range []string{"", "\x00\x01\xff", "two words", strings.Repeat("x", 200)} {
		must(t, os.WriteFile(filepath.Join(dir, serialName), []byte(damage), 0o600))
		serial, err := st.serial()
		must(t, err)
		again, err := st.serial()
		must(t, err)
		kept, err := os.ReadFile(filepath.Join(dir, serialName+".damaged"))
		if len(serial) != 16 || again != serial || err != nil || string(kept) != damage {
			t.Errorf("%q: serial number %q, then %q, beside it %q (%v); want a new one that stays, and the old as evidence", damage, serial, again, kept, err)
		}
	}
}

func TestStateDirectoryThatIsMendedIsNoProblemAnyMore(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	s.stop()
	a, err := newAgent(s.cfg)
	must(t, err)
	a.unwritable = true // as root may write everywhere, it cannot be found out here
	a.m.raise(sourceStore, "store", "the state directory cannot be written", storeHint)
	must(t, a.tick())
	if p := a.m.problems[sourceStore]; p.Code != "" || a.unwritable {
		t.Errorf("%+v stays, and a linked device saves nothing that would end it", p)
	}
	a.unwritable = false
	a.m.raise(sourceStore, "store", "no space left on device", storeHint)
	must(t, a.tick())
	if a.m.problems[sourceStore].Code == "" {
		t.Error("a save that failed is mended by nothing but a save")
	}
	must(t, a.end())
	s.start()
}
