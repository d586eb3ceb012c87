package cli

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"lwa-agent/agent"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// longURL is as long as Amazon's with PKCE, so that its QR code is as large.
var longURL = "https://www.amazon.com/ap/oa?client_id=" + strings.Repeat("x", 430)

// terminal is a person's, with lwa-agent running in it.
type terminal struct {
	*command
	keyboard *os.File
}

func (f *playedAgent) sitDown(columns, rows uint16, args ...string) *terminal {
	f.t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { master.Close(); tty.Close() })
	if err := pty.Setsize(tty, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		f.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(f.t.Context())
	c := &command{t: f.t, out: newBuffer(), err: newBuffer(), stop: stop, done: make(chan int, 1)}
	go func() {
		chunk := make([]byte, 4096)
		for {
			n, err := master.Read(chunk)
			c.out.Write(chunk[:n])
			if err != nil {
				return
			}
		}
	}()
	env := map[string]string{"TERM": "xterm", "LANG": "C.UTF-8"}
	streams := Streams{In: tty, Out: tty, Err: tty, Env: func(name string) string { return env[name] }}
	go func() { c.done <- Main(ctx, append([]string{"--config", f.config}, args...), streams) }()
	return &terminal{c, master}
}

func (s *terminal) types(text string) {
	s.t.Helper()
	if _, err := s.keyboard.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for the command, of which the last line must be as wanted.
func (s *terminal) ends(exit int, last string) {
	s.t.Helper()
	s.out.await(s.t, last)
	if r := s.wait(); r.exit != exit {
		s.t.Errorf("status %d, want %d; the terminal shows\n%s", r.exit, exit, r.out)
	}
}

func TestLinkShowsAddressCodeAndPromptAndEndsByItself(t *testing.T) {
	first := unlinked()
	first.AuthorizeURL = longURL
	f := startFake(t, first)
	posted := make(chan string, 1)
	f.on("POST /code", http.StatusAccepted, agent.Problem{}, func(body string) {
		posted <- body
		f.publish(func(s *agent.Status) { s.CodePending, s.AuthorizeURL = true, "" })
		f.publish(func(s *agent.Status) { *s = linked() })
	})
	s := f.sitDown(132, 43, "link")
	s.out.await(t, "Code or address: ")
	shown := s.out.String()
	if flat := strings.ReplaceAll(shown, "\r\n", ""); !strings.Contains(flat, longURL) {
		t.Errorf("the address is not there to copy:\n%s", shown)
	}
	if !strings.Contains(shown, "▀") {
		t.Fatalf("there is no QR code at 132x43, where the authorize URL fits:\n%s", shown)
	}
	if below := strings.Count(shown[strings.LastIndex(shown, "▀"):], "\n"); below > 2 {
		t.Errorf("%d lines below the QR code push it out of sight", below)
	}

	// 2 KB in one line: more than anybody's address.
	paste := address + strings.Repeat("x", 2000)
	s.types(paste + "\n")
	s.ends(0, "linked to the account of Jo Example (not yours? lwa-agent unlink)")
	if got := <-posted; got != paste {
		t.Errorf("the agent got %d bytes, want all %d that were pasted", len(got), len(paste))
	}
	if !strings.Contains(s.out.String(), asking) {
		t.Errorf("nobody was told that Amazon is asked:\n%s", s.out)
	}
}

func TestLinkExplainsARefusedPasteAndAsksAgain(t *testing.T) {
	f := startFake(t, unlinked())
	bodies := make(chan string)
	f.mux.HandleFunc("POST /code", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		w.Write(marshal(map[string]string{"error": "not_a_code", "message": <-bodies, "hint": "copy the whole address"}))
	})
	s := f.sitDown(80, 24, "link")
	s.out.await(t, "Code or address: ")
	s.types("hello\n")
	bodies <- "first reason"
	s.out.await(t, "first reason; copy the whole address\r\nCode or address: ")
	s.types("again\n")
	bodies <- "second reason"
	s.out.await(t, "second reason; copy the whole address\r\nCode or address: ")
	s.stop()
	r := s.wait()
	if r.exit != 1 || strings.Contains(r.out, "lwa-agent:") {
		t.Errorf("Ctrl-C: status %d, want 1 and no complaint:\n%s", r.exit, r.out)
	}
}

func TestLinkOffersTheNextCodeWhenAmazonRefusedOne(t *testing.T) {
	f := startFake(t, unlinked())
	f.accept(refused)
	s := f.sitDown(80, 24, "link")
	for range 2 { // the second time the status holds no news
		s.out.await(t, "Code or address: ")
		before := len(s.out.String())
		s.types(address + "\n")
		s.out.awaitAfter(t, before, "Amazon did not accept the code; scan the QR code that is shown now")
		s.out.awaitAfter(t, before, "Code or address: ")
	}
	f.publish(func(s *agent.Status) { *s = linked() })
	s.ends(0, "linked to the account of Jo Example")
	if n := strings.Count(s.out.String(), "client_id=x&state=2"); n != 1 {
		t.Errorf("the new address is shown %d times, want once", n)
	}
}

func TestLinkShowsTheCodeOnceTheWindowIsLargeEnough(t *testing.T) {
	f := startFake(t, unlinked())
	s := f.sitDown(40, 12, "link")
	s.out.await(t, "Code or address: ")
	if strings.Contains(s.out.String(), "▀") {
		t.Fatalf("a code in 40x12 cells:\n%s", s.out)
	}
	before := len(s.out.String())
	if err := pty.Setsize(s.keyboard, &pty.Winsize{Cols: 132, Rows: 43}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(unix.Getpid(), unix.SIGWINCH); err != nil { // as the kernel does for one's own terminal
		t.Fatal(err)
	}
	s.out.awaitAfter(t, before, "▀")
	s.out.awaitAfter(t, before, "Code or address: ")
	f.publish(func(s *agent.Status) { *s = linked() })
	s.ends(0, "linked to the account of Jo Example")
}

func TestLinkKeepsTheReasonInSightBelowTheCode(t *testing.T) {
	f := startFake(t, unlinked())
	f.accept(refused)
	s := f.sitDown(132, 43, "link")
	s.out.await(t, "Code or address: ")
	before := len(s.out.String())
	s.types(address + "\n")
	s.out.awaitAfter(t, before, "Amazon did not accept the code; scan the QR code that is shown now\r\nCode or address: ")
	f.publish(func(s *agent.Status) { *s = linked() })
	s.ends(0, "linked to the account of Jo Example")
}

func TestRelinkOfADeviceThatIsNotLinkedGoesOnLikeLink(t *testing.T) {
	f := startFake(t, unlinked())
	f.on("POST /relink", http.StatusNoContent, agent.Problem{}, nil) // and nothing changes
	s := f.sitDown(80, 24, "relink")
	s.out.await(t, "Code or address: ")
	if !strings.Contains(s.out.String(), "client_id=x") {
		t.Errorf("no address to open:\n%s", s.out)
	}
	f.publish(func(s *agent.Status) { *s = linked() })
	s.ends(0, "linked to the account of Jo Example")
}

func TestLinkShowsTheUserCodeAndHowLongItTakes(t *testing.T) {
	f := startFake(t, agent.Status{
		State: agent.Unlinked, Method: agent.MethodCBL, UserCode: "BEYHYS",
		VerificationURI: "https://amazon.com/us/code", PollSeconds: 30,
	})
	s := f.sitDown(80, 24, "link")
	s.out.await(t, "Waiting until you have signed in … ")
	for _, part := range []string{"BEYHYS", "amazon.com/us/code", "half a minute", "▀"} {
		if !strings.Contains(s.out.String(), part) {
			t.Errorf("the terminal does not show %q:\n%s", part, s.out)
		}
	}
	before := len(s.out.String())
	f.publish(func(s *agent.Status) { s.UserCode = "QWERTZ" })
	s.out.awaitAfter(t, before, "QWERTZ")
	s.out.awaitAfter(t, before, "This is a new code") // else whoever pressed Cancel, or was slow, types the old one
	f.publish(func(s *agent.Status) { *s = linked() })
	s.ends(0, "linked to the account of Jo Example")
}

func TestLinkTellsTheAgentThatSomebodyIsHere(t *testing.T) {
	f := startFake(t, agent.Status{State: agent.Unlinked, Method: agent.MethodCBL, NextLinkAt: timeAt("2100-01-01T00:00:00Z")})
	s := f.sitDown(80, 24, "link")
	<-f.attended
	s.out.await(t, "Waiting for a code from Amazon … ")
	f.publish(func(s *agent.Status) { s.NextLinkAt = timeAt("2100-01-01T01:00:00Z") })
	s.out.await(t, "Enter asks for one now")
	s.types("\n")
	<-f.attended
	f.publish(func(s *agent.Status) { *s = linked() })
	s.ends(0, "linked")
}

func TestLinkedDeviceSaysToWhomAndHowToChangeThat(t *testing.T) {
	f := startFake(t, linked())
	f.run("", "link").expect(t, "nothing is to be done", 0, "already linked to the account of Jo Example; for another account: lwa-agent relink\n", "")
}

func TestLinkOutlivesTheAgent(t *testing.T) {
	f := startFake(t, unlinked())
	s := f.sitDown(80, 24, "link")
	s.out.await(t, "Code or address: ")
	f.stop()
	s.out.await(t, "the agent went away; waiting for it")
	f.publish(func(s *agent.Status) { *s = linked() })
	f.start()
	s.ends(0, "linked to the account of Jo Example")
}

func TestPlainOutputHasNoEscapesAndNoPrompt(t *testing.T) {
	f := startFake(t, unlinked())
	f.accept(func(s *agent.Status) { *s = linked() })
	r := f.run(address+"\n", "link")
	if r.exit != 0 || strings.ContainsAny(r.out, "\x1b▀") || strings.Contains(r.out, "Code or address") {
		t.Errorf("a log would hold a picture or a prompt: %+v", r)
	}
	if !regexp.MustCompile(`(?m)^https://www\.amazon\.com/ap/oa\?client_id=x$`).MatchString(r.out) {
		t.Errorf("the address is not on a line of its own:\n%s", r.out)
	}
}

func TestRelinkInATerminalGoesOnUntilTheNewLinkWorks(t *testing.T) {
	f := startFake(t, linked())
	f.on("POST /relink", http.StatusNoContent, agent.Problem{}, func(string) {
		f.publish(func(s *agent.Status) { s.AuthorizeURL = longURL })
	})
	s := f.sitDown(80, 24, "relink")
	s.out.await(t, "Code or address: ")
	f.publish(func(s *agent.Status) { s.ExpiresAt = timeAt("2026-03-01T12:00:00Z") }) // a refresh of the old link
	f.publish(func(s *agent.Status) { s.CodePending, s.AuthorizeURL = true, "" })
	s.out.await(t, asking)
	f.publish(func(s *agent.Status) {
		*s = linked()
		s.Account, s.LinkedSince = "Another", timeAt("2026-03-02T10:00:00Z")
	})
	s.ends(0, "linked to the account of Another")
}

func TestWithdrawnRelinkSaysThatTheOldLinkStays(t *testing.T) {
	f := startFake(t, linked())
	f.on("POST /relink", http.StatusNoContent, agent.Problem{}, func(string) {
		f.publish(func(s *agent.Status) { s.AuthorizeURL = longURL })
	})
	f.on("DELETE /relink", http.StatusNoContent, agent.Problem{}, func(string) {
		f.publish(func(s *agent.Status) { s.AuthorizeURL = "" })
	})
	s := f.sitDown(80, 24, "relink")
	s.out.await(t, "Code or address: ")
	f.run("", "relink", "--cancel").expect(t, "withdrawn", 0, "no new link is offered; the old one stays in use\n", "")
	s.ends(1, "lwa-agent: the new link was withdrawn; the old one stays in use")
}

func TestRelinkForScriptsPrintsTheWayToLinkAndReturns(t *testing.T) {
	f := startFake(t, linked())
	f.on("POST /relink", http.StatusNoContent, agent.Problem{}, func(string) {
		f.publish(func(s *agent.Status) { s.AuthorizeURL = longURL })
	})
	if r := f.run("", "relink"); r.exit != 0 || !strings.Contains(r.out, "\n"+longURL+"\n") || r.err != "" {
		t.Errorf("a script gets no address: %+v", r)
	}
}
