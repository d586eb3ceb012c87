package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// served is an agent with real sockets and a simulated Amazon.
type served struct {
	t     *testing.T
	sim   *lwatest.Sim
	cfg   Config
	agent *Agent
	stop  func()
	log   safeBuffer
}

// serveAgent starts an agent that is not linked; with the test it ends.
func serveAgent(t *testing.T, change func(cfg *Config)) *served {
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
	a, err := New(s.cfg)
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

func TestTokenIsAnsweredAsTheContractSays(t *testing.T) {
	s := serveAgent(t, nil)
	a := s.want(s.do("GET", "/token", ""), 409, "before linking")
	if a.str("error") != "not_linked" || a.str("authorize_url") != s.agent.view.Load().status.AuthorizeURL || a.str("hint") == "" {
		t.Errorf("before linking: %s; want not_linked, the authorize URL and what to do", a.text)
	}
	if strings.Contains(a.text, `\u0026`) {
		t.Errorf("%s: people copy the address out of it, and it must be one", a.text)
	}
	s.link()
	a = s.want(s.do("GET", "/token", ""), 200, "linked")
	if got, want := slices.Sorted(maps.Keys(a.fields)), []string{"access_token", "expires_at", "expires_in", "token_type"}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	in, _ := a.fields["expires_in"].(float64)
	at, err := time.Parse(time.RFC3339, a.str("expires_at"))
	if !strings.HasPrefix(a.str("access_token"), "Atza|") || a.str("token_type") != "bearer" || in < 3500 || in > 3600 || err != nil || time.Until(at) < 3500*time.Second || time.Until(at) > time.Hour {
		t.Errorf("%s (%v); want a bearer token for an hour", a.text, err)
	}
	if a.header.Get("Cache-Control") != "no-store" {
		t.Error("a token may be kept by a cache")
	}
}

func TestMinValidIsADurationOrSeconds(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	for value, want := range map[string]int{
		"": 200, "0": 200, "60": 200, "60s": 200, "30m": 200, "1h": 200, "500h": 200, "1.5m": 200,
		"-1": 400, "-60s": 400, "soon": 400, "60 s": 400, "9999999999999999999": 400, "1e3": 400, "NaN": 400,
	} {
		a := s.do("GET", "/token?min_valid="+strings.ReplaceAll(value, " ", "%20"), "")
		s.want(a, want, "min_valid="+value)
		if want == 400 && (a.str("error") != "min_valid" || !strings.Contains(a.str("hint"), "60s")) {
			t.Errorf("min_valid=%s: %s; want the right form as a hint", value, a.text)
		}
	}
	if n := s.sim.Count(lwatest.Refresh); n != 0 {
		t.Errorf("%d refreshes: more than half of a life counts as half", n)
	}
}

func TestWithoutATokenTheAnswerSaysWhenToComeAgain(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	s.stop()
	must(t, os.Remove(s.path(accessName)))
	s.sim.Fail(lwatest.Busy(503, 90*time.Second), -1, lwatest.Refresh)
	s.start()
	s.await("the refresh failed", func(st Status) bool { return st.LastError != nil })
	a := s.want(s.do("GET", "/token", ""), 503, "in an outage")
	if wait, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || wait < 80 || wait > 180 {
		t.Errorf("Retry-After %q, want the 90 to 180 s that Amazon asked for", a.header.Get("Retry-After"))
	}
	if a.str("error") != "server" || !strings.Contains(a.str("message"), "503") {
		t.Errorf("%s; want what is wrong at Amazon", a.text)
	}
	if _, err := os.Lstat(s.path(tokenSockName)); err != nil {
		t.Errorf("token.sock is gone although the device is linked (%v): a unit would fail to start, not wait", err)
	}
}

func TestReportedTokenIsRefreshedOnce(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	for range 5 {
		s.want(s.do("POST", "/refused", token+"\n"), 202, "a report")
	}
	s.want(s.do("POST", "/refused", "Atza|of-somebody-else"), 202, "a report of another token")
	s.want(s.do("POST", "/refused", ""), 202, "an empty report")
	if fresh := s.want(s.do("GET", "/token", ""), 200, "after the report").str("access_token"); fresh == token {
		t.Error("the refused token is handed out again")
	}
	if n := s.sim.Count(lwatest.Refresh); n != 1 {
		t.Errorf("%d refreshes, want one", n)
	}
}

func TestCodesAreAnsweredAsTheContractSays(t *testing.T) {
	t.Parallel() // codes are sent 2 s apart
	s := serveAgent(t, nil)
	u, err := url.Parse(s.agent.view.Load().status.AuthorizeURL)
	must(t, err)
	for text, code := range map[string]string{
		"":                                    "not_a_code",
		"short":                               "not_a_code",
		"no code":                             "not_a_code",
		"https://localhost:9745/authresponse": "not_a_code",
		"https://localhost:9745/authresponse?code=ANabcdefghijklmnopqr&state=AAAAAAAAAAAAAAAAAAAAAA": "foreign_state",
		"https://localhost:9745/authresponse?error=access_denied&state=" + u.Query().Get("state"):    "access_denied",
		strings.Repeat("x", 5000): "not_a_code",
	} {
		a := s.want(s.do("POST", "/code", text), 400, fmt.Sprintf("%.40q", text))
		if a.str("error") != code || a.str("hint") == "" || strings.Contains(a.text, "ANabcdefghijklmnopqr") {
			t.Errorf("%.40q: %s; want %s with a hint and nothing of the text", text, a.text, code)
		}
	}
	s.want(s.do("POST", "/code", strings.Repeat("x", 20_000)), 413, "20 kB")
	if n := s.sim.Count(lwatest.Exchange); n != 0 {
		t.Errorf("%d exchanges", n)
	}
	back := s.signIn()
	s.want(s.do("POST", "/code", back), 202, "a good code")
	s.await("linked", func(st Status) bool { return st.State == Linked })
	if a := s.want(s.do("POST", "/code", back), 409, "a code while linked"); !strings.Contains(a.str("hint"), "relink") {
		t.Errorf("%s; want relink as the hint", a.text)
	}
	s.want(s.do("POST", "/relink", ""), 204, "relink")
	if a := s.want(s.do("POST", "/code", back), 400, "the old code again"); a.str("error") != "tried" {
		t.Errorf("%s; want tried", a.text)
	}
	if a := s.do("GET", "/token", ""); a.status != 200 {
		t.Errorf("during a relink: %d %s", a.status, a.text)
	}
	s.want(s.do("DELETE", "/relink", ""), 204, "relink called off")
	s.want(s.do("POST", "/unlink", ""), 204, "unlink")
	s.want(s.do("GET", "/token", ""), 409, "after unlink")
	s.want(s.do("DELETE", "/relink", ""), 409, "no relink to call off")
	s.want(s.do("POST", "/attend", ""), 204, "somebody is here")
	s.link()
}

func TestCodeThatCannotBeRecordedIsNotBurnt(t *testing.T) {
	s := serveAgent(t, nil)
	back := s.signIn()
	elsewhere := s.cfg.StateDir + "-elsewhere"
	must(t, os.Rename(s.cfg.StateDir, elsewhere)) // as bad as a full disk, and root feels it
	if a := s.want(s.do("POST", "/code", back), 507, "the state directory cannot be written"); a.str("error") != "store" || a.str("hint") == "" {
		t.Errorf("%s; want store and what to do", a.text)
	}
	if n := s.sim.Count(lwatest.Exchange); n != 0 {
		t.Errorf("%d codes burnt", n)
	}
	must(t, os.Rename(elsewhere, s.cfg.StateDir))
	s.want(s.do("POST", "/code", back), 202, "the same code, once it can be recorded")
	s.await("linked", func(st Status) bool { return st.State == Linked })
}

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
		{eventsSockName, "GET", "/../token"},
		{eventsSockName, "GET", "//token"},
		{eventsSockName, "GET", "/events/../token"},
		{agentSockName, "POST", "/display"},
		{agentSockName, "GET", "/code"},
		{agentSockName, "POST", "/token"},
		{agentSockName, "GET", "/"},
		{agentSockName, "GET", "/Token"},
		{agentSockName, "PUT", "/unlink"},
	} {
		a := s.request(s.client(c.socket), c.method, c.target, "")
		if a.status != 404 && a.status != 405 || strings.Contains(a.text, "Atza|") {
			t.Errorf("%s: %s %s answers %d %s, want 404", c.socket, c.method, c.target, a.status, a.text)
		}
		s.checkFailure(c.socket+": "+c.method+" "+c.target, a)
	}
	s.await("linked still", func(st Status) bool { return st.State == Linked })
}

func TestEveryChangeIsALine(t *testing.T) {
	t.Parallel() // codes are sent 2 s apart
	s := serveAgent(t, nil)
	for _, socket := range []string{agentSockName, eventsSockName} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://agent/events", nil)
		must(t, err)
		resp, err := s.client(socket).Do(req)
		must(t, err)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		next := func() (st Status) {
			t.Helper()
			if !lines.Scan() {
				t.Fatalf("the events ended: %v", lines.Err())
			}
			if err := json.Unmarshal(lines.Bytes(), &st); err != nil || bytes.Contains(lines.Bytes(), []byte("Atz")) {
				t.Fatalf("line %s: %v", lines.Text(), err)
			}
			return st
		}
		until := func(state string) {
			t.Helper()
			for range 20 {
				if next().State == state {
					return
				}
			}
			t.Fatalf("twenty lines, and none says %s", state)
		}
		until(Unlinked) // at once
		s.link()
		until(Linked)
		s.want(s.do("POST", "/unlink", ""), 204, "unlink")
		until(Unlinked)
	}
}

func TestDisplaysAreForgottenWithTheirConnection(t *testing.T) {
	s := serveAgent(t, nil)
	report := `{"driver":"ssd1306","device":"/dev/i2c-1","shows":"qr","error":""}`
	first, second := s.client(eventsSockName), s.client(eventsSockName)
	s.want(s.request(first, "POST", "/display", report), 204, "one display")
	s.want(s.request(second, "POST", "/display", "[ "+strings.Replace(report, "qr", "text", 1)+","+report+"]"), 204, "two displays")
	st := s.await("three displays", func(st Status) bool { return len(st.Displays) == 3 })
	if d := st.Displays[0]; d != (Display{Driver: "ssd1306", Device: "/dev/i2c-1", Shows: "qr"}) {
		t.Errorf("the display is %+v", d)
	}
	for _, bad := range []string{"", "x", "7", `[{"driver":7}]`, "[" + strings.Repeat(report+",", 16) + report + "]"} {
		a := s.want(s.request(second, "POST", "/display", bad), 400, fmt.Sprintf("%.30q", bad))
		s.checkFailure("a bad report", a)
	}
	s.want(s.request(second, "POST", "/display", "[]"), 204, "no display any more")
	s.await("one display", func(st Status) bool { return len(st.Displays) == 1 })
	first.CloseIdleConnections() // the display process was killed
	s.await("no display", func(st Status) bool { return len(st.Displays) == 0 })
}

func (s *served) readCredential() (string, error) {
	c, err := net.Dial("unix", s.path(tokenSockName))
	if err != nil {
		return "", err
	}
	defer c.Close()
	must(s.t, c.SetDeadline(time.Now().Add(patience)))
	text, err := io.ReadAll(c)
	return string(text), err
}

func TestTokenSocketIsThereWhileLinkedAndGivesTheTokenAlone(t *testing.T) {
	t.Parallel() // codes are sent 2 s apart
	s := serveAgent(t, nil)
	if _, err := s.readCredential(); err == nil {
		t.Error("token.sock is there without a link: a unit would start with an empty token")
	}
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	for range 3 {
		if got, err := s.readCredential(); err != nil || got != token {
			t.Errorf("%d bytes (%v), want the access token and nothing else", len(got), err)
		}
	}
	s.want(s.do("POST", "/unlink", ""), 204, "unlink")
	if _, err := s.readCredential(); err == nil {
		t.Error("token.sock is there after unlink")
	}
	s.link()
	if got, err := s.readCredential(); err != nil || !strings.HasPrefix(got, "Atza|") || got == token {
		t.Errorf("linked again: %v, want the new token", err)
	}
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
	if n := s.sim.Count(lwatest.Refresh); n != 1 {
		t.Errorf("%d refreshes for 1,001 clients", n)
	}
}

func TestRestartOfTheAgentAsksAmazonNothing(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	calls := s.sim.Count()
	for range 3 {
		s.stop()
		s.start()
		if a := s.want(s.do("GET", "/token", ""), 200, "after a restart"); a.str("access_token") != token {
			t.Error("after a restart another token is handed out")
		}
	}
	if n := s.sim.Count(); n != calls {
		t.Errorf("%d calls to Amazon for three restarts, want none", n-calls)
	}

	// What is not of this boot and of this link is not believed.
	for name, change := range map[string]func(text string) string{
		"another boot": func(text string) string { return strings.Replace(text, "boot-1", "boot-2", 1) },
		"another link": func(text string) string { return strings.Replace(text, `"link":"`, `"link":"0`, 1) },
		"damaged":      func(text string) string { return text[:len(text)/2] },
		"empty":        func(string) string { return "" },
	} {
		s.stop()
		text, err := os.ReadFile(s.path(accessName))
		must(t, err)
		must(t, os.WriteFile(s.path(accessName), []byte(change(string(text))), 0o600))
		before := s.sim.Count(lwatest.Refresh)
		s.start()
		if a := s.want(s.do("GET", "/token", ""), 200, name); s.sim.Count(lwatest.Refresh) != before+1 || a.str("access_token") == token {
			t.Errorf("%s: the kept token is used without asking Amazon", name)
		}
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

func TestNoStatusHoldsASecret(t *testing.T) {
	t.Parallel() // codes are sent 2 s apart
	s := serveAgent(t, func(cfg *Config) {
		cfg.Client.ID, cfg.Client.Secret = lwatest.WebClientID, lwa.NewSecret(lwatest.WebClientSecret)
	})
	var secrets []string
	check := func(when string) {
		t.Helper()
		verifiers := regexp.MustCompile(`"(?:code_verifier|refresh_token)":"([^"]+)"`)
		text, err := os.ReadFile(filepath.Join(s.cfg.StateDir, currentName))
		must(t, err)
		for _, m := range verifiers.FindAllSubmatch(text, -1) {
			secrets = append(secrets, string(m[1]))
		}
		for _, socket := range []string{agentSockName, eventsSockName} {
			a := s.want(s.request(s.client(socket), "GET", "/status", ""), 200, "status")
			for _, secret := range append(secrets, lwatest.WebClientSecret, "Atza|", "Atzr|") {
				if strings.Contains(a.text, secret) {
					t.Errorf("%s, the status holds a secret: %s", when, a.text)
				}
			}
		}
	}
	check("unlinked")
	back := s.signIn()
	secrets = append(secrets, back[strings.Index(back, "code=")+5:strings.Index(back, "&")])
	s.sim.Fail(lwatest.Refusing(lwatest.MalformedCode), 1, lwatest.Exchange)
	s.want(s.do("POST", "/code", back), 202, "a code")
	s.await("refused", func(st Status) bool { return st.LastError != nil })
	check("after a refused code")
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	secrets = append(secrets, token)
	check("linked")
	must(t, s.sim.SetSecret(lwatest.WebClientID, "x"))
	s.want(s.do("POST", "/refused", token), 202, "a report")
	s.await("a wrong secret", func(st Status) bool { return st.LastError != nil })
	check("with a wrong secret")
	s.want(s.do("POST", "/unlink", ""), 204, "unlink")
	check("after unlink")
	if len(secrets) < 5 {
		t.Errorf("%d secrets were looked for", len(secrets))
	}
}
