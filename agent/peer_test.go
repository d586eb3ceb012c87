package agent

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// verbs are all requests of the sockets in a form that changes nothing: where a
// body is read at all, that one is too long.
var verbs = []struct{ socket, method, target, body string }{
	{agentSockName, "GET", "/token", ""},
	{agentSockName, "GET", "/status", ""},
	{agentSockName, "GET", "/nothing", ""},
	{agentSockName, "POST", "/attend", ""},
	{agentSockName, "POST", "/refused", strings.Repeat("x", maxBody+1)},
	{agentSockName, "POST", "/code", strings.Repeat("x", maxBody+1)},
	{agentSockName, "POST", "/relink", strings.Repeat("x", maxBody+1)},
	{agentSockName, "DELETE", "/relink", strings.Repeat("x", maxBody+1)},
	{agentSockName, "POST", "/unlink", strings.Repeat("x", maxBody+1)},
	{agentSockName, "POST", "/import", strings.Repeat("x", maxBody+1)},
	{eventsSockName, "GET", "/status", ""},
	{eventsSockName, "GET", "/nothing", ""},
	{eventsSockName, "POST", "/display", strings.Repeat("x", maxBody+1)},
}

// TestWhoMayDoWhat is the whole matrix of users, requests and sockets: with the
// sockets' own modes, where the kernel refuses; and with sockets that somebody
// has opened to all, where the agent does.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	p := guardedProcess(t)
	checks := 0
	for _, mode := range []os.FileMode{0o660, 0o666} {
		for _, socket := range []string{agentSockName, eventsSockName, tokenSockName} {
			must(t, os.Chmod(p.path(socket), mode))
		}
		for _, who := range []struct {
			identity
			programs, displays bool
		}{
			{rootUser, true, true},
			{agentUser, true, true}, // the sockets are its own
			{member, true, false},
			{memberOf40, true, false},
			{service, true, false},
			{painter, false, true},
			{stranger, false, false},
		} {
			may := map[string]bool{agentSockName: who.programs, eventsSockName: who.displays, tokenSockName: who.programs}
			for _, v := range verbs {
				checks++
				p.checkVerb(who.identity, v.socket, v.method, v.target, v.body, may[v.socket], mode)
			}
			checks++
			text, err := p.credentialAs(who.identity, "")
			if got := strings.HasPrefix(text, "Atza|"); got != may[tokenSockName] {
				t.Errorf("%s, mode %o: token.sock gives %d bytes (%v), want a token: %v", who.name, mode, len(text), err, may[tokenSockName])
			}
		}
	}
	p.follow("linked still", func(st Status) bool { return st.State == Linked })
	t.Logf("%d of %d checks of user, request and socket", checks, 2*7*(len(verbs)+1))
}

func (p *process) checkVerb(who identity, socket, method, target, body string, may bool, mode os.FileMode) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://agent"+target, strings.NewReader(body))
	must(p.t, err)
	resp, err := who.client(p.t, p.path(socket)).Do(req)
	if err != nil {
		if may || mode != 0o660 || !errors.Is(err, fs.ErrPermission) {
			p.t.Errorf("%s, mode %o: %s %s on %s: %v", who.name, mode, method, target, socket, err)
		}
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(p.t, err)
	group := groupName(agentID)
	if socket == eventsSockName {
		group = groupName(displayID)
	}
	switch denied := resp.StatusCode == http.StatusForbidden; {
	case denied == may:
		p.t.Errorf("%s, mode %o: %s %s on %s answers %d, may: %v", who.name, mode, method, target, socket, resp.StatusCode, may)
	case denied && (!strings.Contains(string(text), "usermod -aG "+group) || !strings.Contains(string(text), "log in again")):
		p.t.Errorf("%s is told %s; want the group to join, and that this takes a new login", who.name, text)
	case denied && strings.Contains(string(text), "Atza|"):
		p.t.Errorf("%s is denied and told the token", who.name)
	}
}

// credentialAs reads token.sock.
func (p *process) credentialAs(who identity, name string) (string, error) {
	c, err := who.dial(p.path(tokenSockName), name)
	if err != nil {
		return "", err
	}
	defer c.Close()
	must(p.t, c.SetDeadline(time.Now().Add(patience)))
	text, err := io.ReadAll(c)
	return string(text), err
}

// Everybody may bind the address that systemd binds for a unit.
func TestUnitsNameIsBelievedOfRootOnly(t *testing.T) {
	t.Parallel()
	p := guardedProcess(t)
	must(t, os.Chmod(p.path(tokenSockName), 0o666))
	if text, _ := p.credentialAs(stranger, "deadbeef01/unit/spoofed.service/lwa_token"); text != "" {
		t.Error("a stranger who calls himself a unit got the token")
	}
	if text, err := p.credentialAs(member, "deadbeef02/unit/borrowed.service/lwa_token"); !strings.HasPrefix(text, "Atza|") {
		t.Errorf("a member of the group got %q, %v; want the token, whatever he calls himself", text, err)
	}
	for range 3 {
		if text, err := p.credentialAs(rootUser, `126fea573d156b12/unit/cons@a-b\x2dc.service/lwa_token`); !strings.HasPrefix(text, "Atza|") {
			t.Errorf("systemd got %q, %v; want the token", text, err)
		}
	}
	log := p.stderr.String()
	for begin := time.Now(); !strings.Contains(log, "cons@a-b") && time.Since(begin) < patience; log = p.stderr.String() {
		time.Sleep(time.Millisecond) // it comes by a pipe
	}
	if strings.Contains(log, "spoofed") || strings.Contains(log, "borrowed") {
		t.Errorf("the log names a unit that somebody made up:\n%s", log)
	}
	if n := strings.Count(log, `cons@a-b`); n != 1 {
		t.Errorf("the log names the unit that took the token %d times, want once:\n%s", n, log)
	}
	if !strings.Contains(log, "user 61001") || !strings.Contains(log, "a program was denied") {
		t.Errorf("the log does not say who took the token and who was denied:\n%s", log)
	}
}

// Of those in the group, one who opens connections and forgets them, or means it,
// must not keep the others from their tokens.
func TestOneUserCannotTakeAllPlaces(t *testing.T) {
	t.Parallel()
	p := guardedProcess(t)
	var held []net.Conn
	hold := func(n int) {
		for range n {
			c, err := member.dial(p.path(agentSockName), "")
			must(t, err)
			held = append(held, c)
		}
	}
	ask := func(who identity) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://agent/token", nil)
		must(t, err)
		resp, err := who.client(t, p.path(agentSockName)).Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header.Get("Retry-After") + string(text)
	}
	hold(maxOfUser - 1)
	if status, text := ask(member); status != 200 {
		t.Errorf("connection %d of a user: %d %s, want the token", maxOfUser, status, text)
	}
	hold(1)
	if status, text := ask(member); status != 429 || !strings.Contains(text, "too_many_connections") || !strings.HasPrefix(text, "1{") {
		t.Errorf("connection %d of a user: %d %s; want 429, why, and to come again in a second", maxOfUser+1, status, text)
	}
	hold(10 * maxOfUser)
	if status, text := ask(member); status != 0 {
		t.Errorf("connection %d of a user: %d %s; want it closed without a word, for each word costs", 11*maxOfUser+1, status, text)
	}
	for _, who := range []identity{service, rootUser, agentUser} {
		if status, text := ask(who); status != 200 {
			t.Errorf("%s, while another user holds all his places: %d %s", who.name, status, text)
		}
	}
	for _, c := range held {
		must(t, c.Close())
	}
	begin := time.Now()
	status, text := ask(member)
	for ; status != 200 && time.Since(begin) < patience; status, text = ask(member) {
		time.Sleep(time.Millisecond)
	}
	if status != 200 {
		t.Errorf("all connections are closed, and still: %d %s", status, text)
	}
}

func TestReaderOfACredentialIsReadFromItsAddress(t *testing.T) {
	for address, want := range map[string][2]string{
		"@126fea573d156b12/unit/consA.service/tok":         {"consA.service", "tok"},
		`@26fea573d156b12/unit/cons@a-b\x2dc.service/tok`:  {`cons@a-b\x2dc.service`, "tok"},
		"@126fea573d156b12/unit/consA.service":             {},
		"@126fea573d156b12/unit/consA.service/tok/another": {},
		"@/unit/consA.service/tok":                         {},
		"/run/126fea573d156b12/unit/consA.service/tok":     {},
		"@x/unit/consA.service/tok":                        {},
		"":                                                 {},
		"@":                                                {},
	} {
		if unit, credential := readerOfCredential(address); unit != want[0] || credential != want[1] {
			t.Errorf("%q is %q, %q; want %q", address, unit, credential, want)
		}
	}
}

// The group that counts is the file's: an administrator may have changed it.
func TestGroupOfTheSocketsFileDecides(t *testing.T) {
	l := &unixListener{path: filepath.Join(t.TempDir(), "a.sock")}
	must(t, os.WriteFile(l.path, nil, 0o660))
	gid, ok := l.group()
	if !ok || gid != uint32(os.Getegid()) {
		t.Errorf("group %d (%v), want that of the file, %d", gid, ok, os.Getegid())
	}
	other := peer{reader: reader{uid: strangeID}, gids: []uint32{strangeID}}
	if why := l.judge(other).denied; why.Code != "denied" {
		t.Errorf("a stranger is let in: %+v", why)
	}
	if os.Geteuid() == 0 {
		must(t, os.Chown(l.path, -1, strangeID))
		if why := l.judge(other).denied; why.Code != "" {
			t.Errorf("a member of the group that the socket was given to is denied: %+v", why)
		}
	}
	must(t, os.Remove(l.path))
	if why := l.judge(other).denied; why.Code != "denied" {
		t.Error("a stranger is let in because the file is gone")
	}
}
