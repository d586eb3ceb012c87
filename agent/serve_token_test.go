package agent

import (
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
)

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

// What lies in the runtime directory under the names of the agent's files may be
// anything, where a person chose a directory that others can write to.
func TestStrangeFilesInTheRuntimeDirectoryDoNotHoldUpTheStart(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	fifo := filepath.Join(t.TempDir(), "fifo")
	must(t, unix.Mkfifo(fifo, 0o600))
	for what, put := range map[string]func(path string) error{
		"a FIFO":           func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a link to a FIFO": func(path string) error { return os.Symlink(fifo, path) },
	} {
		s.stop()
		for _, name := range []string{accessName, crashesName} {
			must(t, ignoreMissing(os.Remove(s.path(name))))
			must(t, put(s.path(name)))
		}
		started := make(chan struct{})
		go func() { defer close(started); s.start() }()
		select {
		case <-started:
		case <-time.After(patience):
			t.Fatalf("%s in the runtime directory: the agent does not start", what)
		}
		s.want(s.do(http.MethodGet, "/token", ""), 200, what)
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

func TestReportedTokenIsAllThereIsInAnOutage(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	s.sim.Fail(lwatest.Busy(503, 0), -1, lwatest.Refresh)
	s.want(s.do("POST", "/refused", token), 202, "a report")
	s.await("the refresh failed", func(st Status) bool { return st.LastError != nil })
	for range 3 {
		began := time.Now()
		if a := s.want(s.do("GET", "/token", ""), 200, "in the outage"); a.str("access_token") != token || time.Since(began) > askPatience/2 {
			t.Errorf("after %v: %s; want the cached token at once, since no better one is to be had", time.Since(began), a.text)
		}
	}
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
	s.restart()
	s.link()
	if got, err := s.readCredential(); err != nil || !strings.HasPrefix(got, "Atza|") || got == token {
		t.Errorf("linked again: %v, want the new token", err)
	}
}

func TestRestartOfTheAgentAsksAmazonNothing(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	calls := s.sim.Count()
	for range 3 {
		s.restart()
		if a := s.want(s.do("GET", "/token", ""), 200, "after a restart"); a.str("access_token") != token {
			t.Error("after a restart another token is handed out")
		}
	}
	if n := s.sim.Count(); n != calls {
		t.Errorf("%d calls to Amazon for three restarts, want none", n-calls)
	}

	// What is not of this boot and of this link is not believed.
	for name, change := range map[string]func(text string) string{
		"another boot":  func(text string) string { return strings.Replace(text, "boot-1", "boot-2", 1) },
		"another link":  func(text string) string { return strings.Replace(text, `"link":"`, `"link":"0`, 1) },
		"good for days": func(text string) string { return strings.Replace(text, `"life_ns":`, `"life_ns":9`, 1) },
		"not sent yet": func(text string) string {
			return strings.Replace(text, `"expires_uptime_ns":`, `"expires_uptime_ns":9`, 1)
		},
		"damaged": func(text string) string { return text[:len(text)/2] },
		"empty":   func(string) string { return "" },
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
