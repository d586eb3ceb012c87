package agent

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
)

func TestOfferIsThereWithTheReplyThatMakesIt(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	for _, path := range []string{"/relink", "/unlink"} {
		s.want(s.do("POST", path, ""), 204, path)
		if a := s.want(s.do("GET", "/status", ""), 200, path); a.str("authorize_url") == "" {
			t.Errorf("right after %s: %s; a program that asks next finds no way to link", path, a.text)
		}
	}
}

func TestCodesAreAnsweredAsTheContractSays(t *testing.T) {
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
	s.restart()
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
