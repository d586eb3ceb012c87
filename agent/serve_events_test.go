package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

func TestEveryChangeIsALine(t *testing.T) {
	for _, socket := range []string{agentSockName, eventsSockName} {
		s := serveAgent(t, nil)
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
			if err := json.Unmarshal(lines.Bytes(), &st); err != nil || bytes.Contains(lines.Bytes(), []byte("Atza|")) {
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

func TestNoStatusHoldsASecret(t *testing.T) {
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
	s.restart()
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
