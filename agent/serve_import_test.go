package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// otherProgram signs in as three shell scripts do, and returns its refresh token.
func (s *served) otherProgram() string {
	s.t.Helper()
	attempt := lwa.NewAttempt(s.cfg.Client.RedirectURI)
	back, err := s.sim.Allow(s.cfg.Client.AuthorizeURL(attempt))
	must(s.t, err)
	drop, err := lwa.ParseDrop([]byte(back))
	must(s.t, err)
	token, err := s.cfg.Client.Exchange(s.t.Context(), drop.Code, attempt)
	must(s.t, err)
	return token.Refresh.Reveal()
}

func importBody(fields map[string]any) string {
	text, _ := json.Marshal(fields)
	return string(text)
}

func TestTokenOfAnotherProgramBecomesTheLink(t *testing.T) {
	s := serveAgent(t, nil)
	token := s.otherProgram()
	s.want(s.do("POST", "/import", importBody(map[string]any{
		"refresh_token": token, "client_id": lwatest.MobileClientID, "serial_number": "G0911B0523",
	})), 204, "a good token")
	if a := s.want(s.do("GET", "/status", ""), 200, "right after"); a.str("state") != Linked || a.str("serial_number") != "G0911B0523" {
		t.Errorf("%s; want linked, by the serial number that the account knows", a.text)
	}
	s.want(s.do("GET", "/token", ""), 200, "a token")
	if a := s.want(s.do("POST", "/import", importBody(map[string]any{"refresh_token": token})), 409, "linked"); !strings.Contains(a.str("hint"), "--replace") {
		t.Errorf("%s; want the way to replace it", a.text)
	}
	s.restart()
	s.await("the same after a restart", func(st Status) bool { return st.State == Linked && st.SerialNumber == "G0911B0523" })
	if text, err := os.ReadFile(filepath.Join(s.cfg.StateDir, serialName)); err != nil || string(text) != "G0911B0523\n" {
		t.Errorf("on the disk is %q, %v", text, err)
	}
}

func TestWhatIsNoTokenIsRefusedWithoutBeingShown(t *testing.T) {
	t.Parallel() // Amazon's 503 is waited out
	s := serveAgent(t, nil)
	for _, body := range []string{
		"", "Atzr|bare", "{}", `{"refresh_token":7}`, `{"refresh_token":"Atzr|secret\n"}`, `{"refresh_token":"Atzr|secret"} {}`,
		`{"refresh_token":"Atzr|secret","acess":1}`, `{"refresh_token":"Atzr|secret","serial_number":"a b"}`, `["Atzr|secret"]`,
	} {
		a := s.want(s.do("POST", "/import", body), 400, body)
		if a.str("hint") == "" || strings.Contains(a.text, "secret") {
			t.Errorf("%s: %s; want what to do, and nothing of the text", body, a.text)
		}
	}
	a := s.want(s.do("POST", "/import", importBody(map[string]any{"refresh_token": "Atzr|of-nobody"})), 400, "Amazon does not know it")
	if a.str("error") != "invalid_grant" || strings.Contains(a.text, "of-nobody") {
		t.Errorf("%s; want invalid_grant", a.text)
	}
	if _, err := os.Stat(filepath.Join(s.cfg.StateDir, serialName+".1")); !os.IsNotExist(err) {
		t.Errorf("the serial number was touched (%v)", err)
	}
	s.sim.Fail(lwatest.Failing(503), 1, lwatest.Refresh)
	a = s.want(s.do("POST", "/import", importBody(map[string]any{"refresh_token": s.otherProgram()})), 503, "an outage")
	if a.header.Get("Retry-After") == "" {
		t.Error("an outage, and nothing says when to try again")
	}
}
