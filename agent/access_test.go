package agent

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest/harness"
)

var (
	renamed   = identity{name: "who is in no group of ours", uid: memberID, gid: memberID}
	linker    = identity{name: "one of forty groups", uid: strangeID + 10, gid: strangeID, groups: sequence(70_000, 40)}
	groupRoot = identity{name: "one of the socket's group", uid: strangeID + 20, gid: 0}
	nobody    = identity{name: "nobody", uid: strangeID + 30, gid: strangeID}
)

// serveRules starts a linked agent with rules, whose directory others may enter.
func serveRules(t *testing.T, access []Access) *served {
	t.Helper()
	if os.Geteuid() != 0 {
		harness.Missing(t, "only root can be other users; run the tests as root")
	}
	s := serveAgent(t, func(cfg *Config) { cfg.Access = access })
	must(t, os.Chmod(filepath.Dir(s.cfg.RuntimeDir), 0o755))
	s.link()
	return s
}

// statusAs is what a request is answered to somebody; 0: they cannot connect.
func (s *served) statusAs(c *http.Client, method, target, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://agent"+target, strings.NewReader(body))
	must(s.t, err)
	resp, err := c.Do(req)
	if errors.Is(err, fs.ErrPermission) {
		return 0, ""
	}
	must(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(s.t, err)
	return resp.StatusCode, string(text)
}

// TestRulesSayWhoMayHaveWhat is the matrix of rules and requests. Who has nothing
// cannot even connect.
func TestRulesSayWhoMayHaveWhat(t *testing.T) {
	t.Parallel()
	s := serveRules(t, []Access{
		{User: "61001", May: []string{MayToken}},
		{Group: "80001", May: []string{MayStatus}},
		{Group: "70001", May: []string{MayLink}},
		{Group: "70002", May: []string{MayToken}},
		{User: "61032", May: nil},
	})
	tooLong := strings.Repeat("x", maxBody+1) // read, and refused, by those who may
	for _, who := range []struct {
		identity
		has right
	}{
		{rootUser, everything},
		{renamed, rightToken},
		{stranger, rightStatus},
		{linker, everything}, // of two of its groups, and a link brings the status
		{groupRoot, everything},
		{nobody, 0},
	} {
		client := who.client(t, s.path(agentSockName))
		for _, v := range []struct {
			needed               right
			method, target, body string
		}{
			{rightToken, "GET", "/token", ""},
			{rightToken, "POST", "/refused", tooLong},
			{rightStatus, "GET", "/status", ""},
			{rightStatus, "GET", "/metrics", ""},
			{rightLink, "POST", "/attend", ""},
			{rightLink, "POST", "/code", tooLong},
			{rightLink, "POST", "/relink", tooLong},
			{rightLink, "DELETE", "/relink", tooLong},
			{rightLink, "POST", "/unlink", tooLong},
			{rightLink, "POST", "/import", tooLong},
		} {
			status, text := s.statusAs(client, v.method, v.target, v.body)
			switch allowed := who.has&v.needed != 0; {
			case who.has == 0 && status != 0:
				t.Errorf("%s may have nothing, and %s %s answers %d", who.name, v.method, v.target, status)
			case who.has != 0 && (status == http.StatusForbidden) == allowed:
				t.Errorf("%s may have %s, and %s %s answers %d %s", who.name, who.has, v.method, v.target, status, text)
			case status == http.StatusForbidden && (!strings.Contains(text, `"denied"`) || !strings.Contains(text, "[[access]]") || !strings.Contains(text, who.has.String())):
				t.Errorf("%s is told %s; want what is allowed, and where to change it", who.name, text)
			}
		}
		text, err := s.credentialAs(who.identity)
		if got := strings.HasPrefix(text, "Atza|"); got != (who.has&rightToken != 0) {
			t.Errorf("%s may have %s, and token.sock gives %d bytes (%v)", who.name, who.has, len(text), err)
		}
	}
	if st, err := os.Lstat(s.path(agentSockName)); err != nil || st.Mode().Perm() != 0o660 {
		t.Errorf("the socket has mode %v (%v), want 0660: those of the rules are let in one by one", st.Mode(), err)
	}
}

func (s *served) credentialAs(who identity) (string, error) {
	c, err := who.dial(s.path(tokenSockName), "")
	if err != nil {
		return "", err
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	return string(text), err
}

// TestRulesThatChangeHoldForOpenConnections: a program that keeps its connection
// for weeks must not keep what was taken from it.
func TestRulesThatChangeHoldForOpenConnections(t *testing.T) {
	t.Parallel()
	s := serveRules(t, []Access{{User: "61001", May: []string{MayToken, MayStatus}}})
	kept := renamed.client(t, s.path(agentSockName))
	kept.Transport.(*http.Transport).DisableKeepAlives = false
	if status, _ := s.statusAs(kept, "GET", "/token", ""); status != 200 {
		t.Fatalf("%d to who may have the token", status)
	}
	events, err := kept.Get("http://agent/events")
	must(t, err)
	defer events.Body.Close()

	change := func(access []Access) {
		cfg := s.cfg
		cfg.Access = access
		s.agent.Reconfigure(t.Context(), cfg)
		s.settled()
	}
	change([]Access{{User: "61001", May: []string{MayStatus}}})
	if status, text := s.statusAs(kept, "GET", "/token", ""); status != http.StatusForbidden {
		t.Errorf("%d %s over the connection from before; want that it may not any more", status, text)
	}
	if text, err := s.credentialAs(renamed); err == nil {
		t.Errorf("token.sock still lets in who has no right to the token: %q", text)
	}
	change(nil)
	if status, _ := s.statusAs(renamed.client(t, s.path(agentSockName)), "GET", "/status", ""); status != 0 {
		t.Errorf("%d without any rule, want that the socket's mode keeps them out", status)
	}
	s.want(s.do("POST", "/unlink", ""), 204, "root") // news for who still listens
	if rest, err := io.ReadAll(events.Body); strings.Contains(string(rest), Unlinked) {
		t.Errorf("who may not have the status any more hears of each change (%v)", err)
	}
}

func TestRuleForTheSocketsGroupStandsInPlaceOfEverything(t *testing.T) {
	t.Parallel()
	s := serveRules(t, []Access{{Group: "0", May: []string{MayStatus}}})
	client := groupRoot.client(t, s.path(agentSockName))
	if status, _ := s.statusAs(client, "GET", "/status", ""); status != 200 {
		t.Errorf("/status: %d, want what the rule allows", status)
	}
	if status, _ := s.statusAs(client, "GET", "/token", ""); status != http.StatusForbidden {
		t.Errorf("/token: %d, although the rule for the group does not allow it", status)
	}
}

func TestFileSystemWithoutAccessControlListsKeepsTheRules(t *testing.T) {
	t.Parallel()
	s := serveRules(t, []Access{{User: "61001", May: []string{MayToken}}})
	must(t, os.Chmod(s.path(agentSockName), 0o666)) // what is done where the list cannot be set
	for who, want := range map[*identity]int{&renamed: 200, &stranger: 403, &nobody: 403} {
		if status, text := s.statusAs(who.client(t, s.path(agentSockName)), "GET", "/token", ""); status != want {
			t.Errorf("%s: %d %s, want %d", who.name, status, text, want)
		}
	}
}

func TestRuleForSomebodyWhoIsNotThereIsAWarning(t *testing.T) {
	s := serveAgent(t, func(cfg *Config) {
		cfg.Access = []Access{{User: "no-such-user", May: []string{MayToken}}, {Group: "no-such-group", May: []string{MayToken}}}
	})
	st := s.await("a warning", func(st Status) bool { return len(st.Warnings) > 0 })
	if w := st.Warnings[0]; w.Code != "access" || !strings.Contains(w.Message, "user no-such-user, the group no-such-group") || w.Hint == "" {
		t.Errorf("%+v; want who is not known, and what to do", w)
	}
}

func TestRightsReadAsInTheConfiguration(t *testing.T) {
	for may, want := range map[string]string{"": "nothing", "token": "token", "link": "status, link", "token status": "status, token", "status token link": "status, token, link"} {
		if got := rightOf(strings.Fields(may)).String(); got != want {
			t.Errorf("may %q is %q, want %q", may, got, want)
		}
	}
}

// TestDenialNamesTheGroupAndTheRule: who may not have the whole group's rights is
// to find the other way.
func TestDenialNamesTheGroupAndTheRule(t *testing.T) {
	p := peer{reader: reader{uid: strangeID}, gids: []uint32{strangeID}}
	for _, gid := range []uint32{0, strangeID} {
		if hint := p.denial(agentSockName, gid).Hint; !strings.Contains(hint, "[[access]]") || gid != 0 && !strings.Contains(hint, "usermod -aG") {
			t.Errorf("of a socket of the group %d the hint is %q", gid, hint)
		}
	}
	if hint := p.denial(eventsSockName, strangeID).Hint; strings.Contains(hint, "[[access]]") {
		t.Errorf("hint %q: no rule is about the displays' socket", hint)
	}
	if why := p.lacking(everything, 0); strings.Contains(why.Message+why.Hint, everything.String()) {
		t.Errorf("%+v; any right would let in, and no list of all is one", why)
	}
}

// settled returns when the loop has done what it was asked for before.
func (s *served) settled() {
	s.t.Helper()
	done := make(chan struct{})
	s.agent.jobs <- func() { close(done) }
	<-done
}
