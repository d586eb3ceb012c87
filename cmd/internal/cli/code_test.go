package cli

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"lwa-agent/agent"
)

const address = "https://localhost:9745/authresponse?code=ANdNAVhyhqirUelHGEHA&state=s"

// accept takes codes as the agent does: 202, and then the outcome by events.
func (f *playedAgent) accept(outcome func(s *agent.Status)) {
	f.on("POST /code", http.StatusAccepted, agent.Problem{}, func(string) {
		f.publish(func(s *agent.Status) { s.CodePending, s.AuthorizeURL = true, "" })
		f.publish(outcome)
	})
}

func refused(s *agent.Status) {
	s.CodePending, s.AuthorizeURL = false, "https://www.amazon.com/ap/oa?client_id=x&state=2"
	s.LastError = &agent.Problem{Code: "invalid_grant", Message: "Amazon did not accept the code", Hint: "scan the QR code that is shown now", At: *timeAt("2026-03-01T10:05:00Z")}
}

func TestCodeNamesTheAccountItLinked(t *testing.T) {
	f := startFake(t, unlinked())
	f.accept(func(s *agent.Status) {
		*s = linked()
		s.Account, s.Scopes = "", []string{"profile"}
		go f.publish(func(s *agent.Status) { s.Account = "Jo Example" })
	})
	f.run(address, "code").expect(t, "a link to a stranger's account must be seen", 0,
		"linked to the account of Jo Example (not yours? lwa-agent unlink)\n", "")
}

func TestCodeReachesTheAgentAsItWasHandedIn(t *testing.T) {
	f := startFake(t, unlinked())
	got := make(chan string, 1)
	f.on("POST /code", http.StatusAccepted, agent.Problem{}, func(body string) {
		got <- body
		f.publish(func(s *agent.Status) { *s = linked(); s.Account = "" })
	})
	for _, test := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"code", address}, address},
		{address + "\r\n", []string{"code"}, address + "\r\n"},
		{"\ufeff{\"code\":\n\"x\"}", []string{"code", "-"}, "\ufeff{\"code\":\n\"x\"}"},
	} {
		f.publish(func(s *agent.Status) { *s = unlinked() })
		f.run(test.stdin, test.args...).expect(t, "handing in", 0, "linked\n", "")
		if body := <-got; body != test.want {
			t.Errorf("the agent got %q, want %q: it knows every form, and we must not spoil one", body, test.want)
		}
	}
}

func TestRefusedCodeSaysWhyAndWhatToDo(t *testing.T) {
	const want = "lwa-agent: Amazon did not accept the code; scan the QR code that is shown now\n"
	f := startFake(t, unlinked())
	f.accept(refused)
	f.run(address, "code").expect(t, "the first code", 1, "", want)
	// The same mistake again is no news in the status, where it keeps its time.
	f.run(address, "code").expect(t, "the second code", 1, "", want)
}

func TestCodeThatIsNoneIsRefusedAtOnce(t *testing.T) {
	f := startFake(t, unlinked())
	f.on("POST /code", http.StatusBadRequest, agent.Problem{Code: "not_a_code", Message: "there is no code in it", Hint: "copy the whole address"}, nil)
	f.run("hello", "code").expect(t, "the agent's reason", 1, "", "lwa-agent: there is no code in it; copy the whole address\n")
	f.run(" \n", "code").expect(t, "nothing", 1, "", "lwa-agent: no code was given; copy the address the browser ended at, and hand in all of it\n")
	f.run("", "code", "").expect(t, "an empty variable of a script", 1, "", "lwa-agent: no code was given; copy the address the browser ended at, and hand in all of it\n")
	f.run(strings.Repeat("x", 8<<10+1), "code").expect(t, "a wrong file", 1, "", "lwa-agent: what was handed in is longer than 8 KiB; hand in the code or the address alone\n")
}

func TestCodeWhileLinkedTellsOfRelink(t *testing.T) {
	f := startFake(t, linked())
	f.on("POST /code", http.StatusConflict, agent.Problem{Code: "linked", Message: "the device is linked"}, nil)
	f.run(address, "code").expect(t, "the way out", 1, "", "lwa-agent: the device is linked; to link it anew: lwa-agent relink\n")
}

func TestCodeOutlivesARestartOfTheAgent(t *testing.T) {
	f := startFake(t, unlinked())
	taken := make(chan bool)
	f.on("POST /code", http.StatusAccepted, agent.Problem{}, func(string) {
		f.publish(func(s *agent.Status) { s.CodePending = true })
		close(taken)
	})
	c := f.begin(address, "code")
	<-taken
	f.stop()
	f.publish(func(s *agent.Status) { *s = linked(); s.Account = "" })
	f.start()
	c.wait().expect(t, "the code was saved, and its outcome is known after the restart", 0, "linked\n", "")
}

func TestHopeTellsOutcomesApart(t *testing.T) {
	old := linked()
	relinking := old
	relinking.AuthorizeURL = "https://www.amazon.com/ap/oa?x"
	pending := relinking
	pending.AuthorizeURL, pending.CodePending = "", true
	anew := linked()
	anew.LinkedSince = timeAt("2026-03-02T10:00:00Z")
	network := unlinked()
	network.LastError = &agent.Problem{Code: "network", Message: "no network", At: *timeAt("2026-03-01T10:00:00Z")}
	again := network
	again.LastError = &agent.Problem{Code: "network", Message: "no network", At: *timeAt("2026-03-01T10:00:09Z")}
	linking := unlinked()
	linking.State = agent.Linking
	waiting := network
	waiting.CodePending = true

	for _, test := range []struct {
		name   string
		before agent.Status
		seen   []agent.Status
		want   outcome
	}{
		{"nothing happened yet", unlinked(), []agent.Status{unlinked()}, open},
		{"an old problem is no outcome", network, []agent.Status{network}, open},
		{"linked", unlinked(), []agent.Status{linking, linked()}, fulfilled},
		{"linked, with every step missed", unlinked(), []agent.Status{linked()}, fulfilled},
		{"still the old link", relinking, []agent.Status{pending}, open},
		{"the new link", relinking, []agent.Status{pending, anew}, fulfilled},
		{"the new link failed", relinking, []agent.Status{pending, relinking}, failed},
		{"a problem while it is tried on", unlinked(), []agent.Status{waiting}, open},
		{"a new problem, with every step missed", unlinked(), []agent.Status{network}, failed},
		{"the same problem at another time", network, []agent.Status{again}, failed},
	} {
		h := hope{before: test.before}
		got := open
		for _, s := range test.seen {
			got = h.see(s)
		}
		if got != test.want {
			t.Errorf("%s: outcome %d, want %d", test.name, got, test.want)
		}
	}
}

func TestCtrlCEndsAWaitForTyping(t *testing.T) {
	f := startFake(t, unlinked())
	c := f.beginWith(never{t.Context().Done()}, "code")
	c.stop()
	c.wait().expect(t, "nobody types, and the command must still end", 1, "", "")
}

// never is a terminal at which nobody types.
type never struct{ end <-chan struct{} }

func (n never) Read([]byte) (int, error) {
	<-n.end
	return 0, net.ErrClosed
}
