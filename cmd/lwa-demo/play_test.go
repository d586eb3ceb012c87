package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display"
)

// begin starts the demo for a person. The function that it returns is Ctrl-C.
func (term *terminal) begin(method string, life time.Duration) (interrupt func()) {
	ctx, cancel := context.WithCancel(term.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- playAlong(ctx, term.streams(), method, life) }()
	return func() {
		term.t.Helper()
		cancel()
		if err := <-ended; err != nil {
			term.t.Errorf("after Ctrl-C: %v. All it said:\n%s", err, term)
		}
		term.waitFor("The agent has ended")
		term.wantClean()
	}
}

func TestPersonPlaysAlongByAuthorizeURL(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	interrupt := term.begin(agent.MethodCode, 2*time.Second)
	pid := 0
	if _, err := fmt.Sscanf(term.waitFor("(process"), "A simulated Amazon and the real lwa-agent (process %d)", &pid); err != nil {
		t.Fatal(err)
	}
	term.waitFor("http://127.0.0.1:")

	term.enter("remove")
	term.waitFor("the device is not linked")
	term.enter("no code at all")
	term.waitFor("hand in the code alone")

	term.enter("allow")
	line := term.waitFor("echo 'https://")
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput(); err != nil {
		t.Fatalf("the line to copy, %q, does not work in a shell: %v: %s", line, err, out)
	}
	term.waitFor("a code was received")
	term.waitFor("gave tokens for it")
	term.waitFor("linked; token good until")
	term.waitFor("the account is Jo Example's")
	term.waitFor("lwa-agent --config " + term.tmp)
	term.waitFor("refreshed; token good until")

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	term.waitFor("the agent ended (signal: killed); started again")
	term.waitFor("refreshed; token good until")

	term.enter("remove")
	term.waitFor("removed in the Amazon account")
	term.waitFor("Open this address")
	interrupt()
}

func TestPersonPlaysAlongByCodeBasedLinking(t *testing.T) {
	if testing.Short() {
		t.Skip("the agent polls no sooner than after 5 s")
	}
	t.Parallel()
	term := newTerminal(t)
	interrupt := term.begin(agent.MethodCBL, time.Hour)
	term.waitFor("enter the code ")
	term.enter("allow")
	term.waitFor("here are tokens")
	term.waitFor("linked; token good until")
	interrupt()
}

func TestAgentThatCannotStartIsSaidWithItsLog(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	streams := term.streams()
	p := &play{out: term, done: make(chan func())}
	d, err := newDevice(term.tmp, "no address", agent.MethodCode)
	if err != nil {
		t.Fatal(err)
	}
	defer d.remove()
	p.device = d
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = p.run(t.Context(), nil, nil, lines(t.Context(), streams.In))
	if err == nil || !strings.Contains(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "config.toml:") {
		t.Errorf("the error is %v, want how the agent ended and its log: starting it again would not help", err)
	}
}

func TestCodeAndItsAddressFitATerminal(t *testing.T) {
	address := "http://127.0.0.1:65535/ap/oa?" + strings.Repeat("a", 290)
	for name, c := range map[string]struct {
		columns, rows int
		status        agent.Status
		picture       bool
	}{
		"authorize URL at 132x43": {132, 43, agent.Status{AuthorizeURL: address}, true},
		"authorize URL at 80x24":  {80, 24, agent.Status{AuthorizeURL: address}, false},
		"code pair at 80x24":      {80, 24, agent.Status{UserCode: "ABC123", VerificationURI: "http://127.0.0.1:65535/us/code"}, true},
	} {
		var out strings.Builder
		p := &play{
			out: &out, device: &device{dir: "/tmp/lwa-demo-4294967295"}, status: c.status,
			cells: display.Cells{Columns: c.columns, Rows: c.rows, Escapes: true},
		}
		p.offer()
		text := out.String()
		if got := strings.Contains(text, "▀"); got != c.picture {
			t.Errorf("%s: a QR code is drawn: %t, want %t", name, got, c.picture)
		}
		if !strings.Contains(text, c.status.AuthorizeURL+c.status.VerificationURI) {
			t.Errorf("%s: the address is missing, and a browser on this machine cannot scan:\n%s", name, text)
		}
		if first := strings.IndexByte(text, '\x1b'); first >= 0 {
			if high := rowsOf(text[first:], c.columns) + 1; high > c.rows {
				t.Errorf("%s: it is %d rows high with the cursor's, so the code scrolls out of sight", name, high)
			}
		}
	}
}

// rowsOf counts rows without believing in rows: escapes take none.
func rowsOf(text string, columns int) int {
	n := 0
	for line := range strings.Lines(text) {
		cells, escape := 0, false
		for _, r := range strings.TrimSuffix(line, "\n") {
			switch {
			case r == '\x1b':
				escape = true
			case escape:
				escape = r != 'm'
			default:
				cells++
			}
		}
		n += 1 + max(0, cells-1)/columns
	}
	return n
}

func TestNewsIsWhatChanged(t *testing.T) {
	t.Parallel()
	at := func(second int) *time.Time { at := time.Date(2026, 7, 1, 12, 0, second, 0, time.Local); return &at }
	linked := agent.Status{State: agent.Linked, ExpiresAt: at(20), NextRefresh: at(12)}
	offered := agent.Status{State: agent.Unlinked, Reason: "not linked yet", AuthorizeURL: "https://…"}
	change := func(s agent.Status, do func(*agent.Status)) agent.Status { do(&s); return s }
	for name, c := range map[string]struct {
		was, is agent.Status
		want    []string
	}{
		"nothing":   {linked, linked, nil},
		"linked":    {offered, linked, []string{"linked; token good until 12:00:20, next refresh at 12:00:12"}},
		"account":   {linked, change(linked, func(s *agent.Status) { s.Account = "Jo" }), []string{"the account is Jo's"}},
		"refreshed": {linked, change(linked, func(s *agent.Status) { s.ExpiresAt = at(40) }), []string{"refreshed; token good until 12:00:40, next refresh at 12:00:12"}},
		"code": {
			offered, change(offered, func(s *agent.Status) { s.State, s.Reason = agent.Linking, "a code was received; asking Amazon" }),
			[]string{"a code was received; asking Amazon"},
		},
		"removed": {
			linked, change(offered, func(s *agent.Status) {
				s.Reason, s.LastError = "removed", &agent.Problem{Message: "it was removed", Hint: "link again"}
			}),
			[]string{"removed", "it was removed; link again"},
		},
	} {
		if got := news(c.was, c.is); !slices.Equal(got, c.want) {
			t.Errorf("%s: the news is %q, want %q", name, got, c.want)
		}
	}
}

func TestNarrationIsWrappedBetweenWords(t *testing.T) {
	var out strings.Builder
	p := &play{out: &out, cells: display.Cells{Columns: 40}}
	p.say("agent", "one two three four five six https://localhost:9745/authresponse?code=x end")
	p.say("agent", "one two three four five six https://localhost:9745/authresponse?code=x end")
	var told []string
	for line := range strings.Lines(out.String()) {
		told = append(told, strings.TrimSpace(line[18:]))
	}
	want := []string{"one two three four", "five six", "https://localhost:9745/authresponse?code=x", "end"}
	if !slices.Equal(told, want) {
		t.Errorf("it says %q, want %q, once: an address in two pieces cannot be copied", told, want)
	}
}

func TestDeviceIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	d, err := newDevice("", "http://127.0.0.1:1", agent.MethodCode)
	if err != nil {
		t.Fatal(err)
	}
	defer d.remove()
	info, err := os.Stat(d.dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%s is %v, %v: others could read the tokens in it, want drwx------", d.dir, info.Mode(), err)
	}
}
