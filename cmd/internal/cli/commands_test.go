package cli

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"lwa-agent/agent"
)

func unlinked() agent.Status {
	return agent.Status{State: agent.Unlinked, Reason: "not linked yet", Method: agent.MethodCode, AuthorizeURL: "https://www.amazon.com/ap/oa?client_id=x"}
}

func linked() agent.Status {
	return agent.Status{State: agent.Linked, Method: agent.MethodCode, LinkedSince: timeAt("2026-03-01T10:00:00Z"), Account: "Jo Example"}
}

func TestTokenPrintsTheTokenAndNothingElse(t *testing.T) {
	f := startFake(t, linked())
	var query string
	f.mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		query = r.URL.RawQuery
		w.Write([]byte(`{"access_token":"Atza|IwEBI","token_type":"bearer","expires_in":3187,"expires_at":"2026-03-01T11:00:00Z"}`))
	})
	f.run("", "token").expect(t, "a script would send something else than the token", 0, "Atza|IwEBI\n", "")
	if query != "min_valid=1m0s" {
		t.Errorf("asked with %q, want the documented 60 s", query)
	}
	f.run("", "token", "--min-valid", "90m")
	if query != "min_valid=1h30m0s" {
		t.Errorf("asked with %q, want the 90 minutes of the flag", query)
	}
}

func TestTokenOfAnUnlinkedDeviceIsStatus3WithTheWayToLink(t *testing.T) {
	f := startFake(t, unlinked())
	f.on("GET /token", http.StatusConflict, agent.Problem{Code: "not_linked", Message: "the device is not linked: removed in the Amazon account", Hint: "…"}, nil)
	f.run("", "token").expect(t, "a script must tell 'nobody linked it' from 'try again'", 3, "",
		"lwa-agent: the device is not linked: removed in the Amazon account; link it with: lwa-agent link\n")
}

func TestTokenInAnOutageSaysWhenToTryAgain(t *testing.T) {
	f := startFake(t, linked())
	f.mux.HandleFunc("GET /token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "42")
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte(`{"error":"network","message":"api.amazon.com cannot be reached","hint":"check the network"}`))
	})
	f.run("", "token").expect(t, "an outage is no missing link", 1, "",
		"lwa-agent: api.amazon.com cannot be reached; check the network (try again in 42 s)\n")
}

func TestEveryCommandSaysHowToStartAMissingAgent(t *testing.T) {
	f := newFake(t, unlinked())
	for _, args := range [][]string{{"token"}, {"status"}, {"status", "--json"}, {"code", "ANdNAVhyhqirUelHGEHA"}, {"link"}, {"relink"}, {"relink", "--cancel"}, {"unlink"}, {"watch"}} {
		f.run("", args...).expect(t, strings.Join(args, " ")+": nobody knows what to do", 1, "",
			"lwa-agent: the agent is not running (no "+f.socket()+"); start it with: sudo systemctl start lwa-agent\n")
	}
}

func TestSocketThatAKilledAgentLeftIsNoRunningAgent(t *testing.T) {
	f := startFake(t, unlinked())
	old := f.socket() + ".old"
	if err := os.Rename(f.socket(), old); err != nil {
		t.Fatal(err)
	}
	f.stop()
	if err := os.Rename(old, f.socket()); err != nil {
		t.Fatal(err)
	}
	f.run("", "status").expect(t, "a dead socket must not look like a live agent", 1, "",
		"lwa-agent: the agent is not running (nobody answers at "+f.socket()+"); start it with: sudo systemctl start lwa-agent\n")
}

func TestAgentThatStopsWhileItIsAskedIsToldFromAMissingOne(t *testing.T) {
	f := startFake(t, linked())
	f.mux.HandleFunc("GET /token", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	f.run("", "token").expect(t, "whoever starts it anew would not look for why it stopped", 1, "",
		"lwa-agent: the agent stopped while it was asked ("+f.socket()+"); see: systemctl status lwa-agent\n")
}

func TestWhateverElseAnswersIsNotTakenForTheAgent(t *testing.T) {
	f := startFake(t, unlinked())
	f.mux.HandleFunc("GET /token", func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) })
	f.mux.HandleFunc("POST /unlink", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	f.run("", "token").expect(t, "an answer that is not ours", 1, "",
		"lwa-agent: what answers at "+f.socket()+" is not the agent (404 Not Found); see: systemctl status lwa-agent\n")
	if r := f.run("", "unlink"); r.exit != 1 || !strings.Contains(r.err, "418") {
		t.Errorf("unlink said %+v; nothing was forgotten, so it must fail", r)
	}
}

func TestUnlinkSaysWhereToRemoveTheApp(t *testing.T) {
	f := startFake(t, linked())
	f.on("POST /unlink", http.StatusNoContent, agent.Problem{}, nil)
	r := f.run("", "unlink")
	if r.exit != 0 || !strings.Contains(r.out, "https://www.amazon.com/ap/adam") || !strings.Contains(r.out, "forgotten its tokens") {
		t.Errorf("unlink said %+v; Amazon still lists the device, and nobody is told", r)
	}
}

func TestStatusJSONIsTheSocketsOwn(t *testing.T) {
	f := startFake(t, linked())
	want := string(marshal(linked())) + "\n"
	f.run("", "status", "--json").expect(t, "a script must get each field as the socket has it", 0, want, "")
}

func TestWrongUsageIsStatus2OnOneLine(t *testing.T) {
	f := newFake(t, unlinked())
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "no command given; see: lwa-agent --help"},
		{[]string{"tokn"}, `unknown command "tokn", did you mean token?; see: lwa-agent --help`},
		{[]string{"dance"}, `unknown command "dance"; see: lwa-agent --help`},
		{[]string{"token", "now"}, `unexpected argument "now"; see: lwa-agent token --help`},
		{[]string{"token", "--min-valid", "60"}, `invalid argument "60" for "--min-valid" flag: time: missing unit in duration "60"; see: lwa-agent token --help`},
		{[]string{"token", "--min-valid=-1s"}, `--min-valid -1s is negative; see: lwa-agent token --help`},
		{[]string{"wait", "--timeout=-1s"}, `--timeout -1s is negative; see: lwa-agent wait --help`},
		{[]string{"status", "--xml"}, `unknown flag: --xml; see: lwa-agent status --help`},
		{[]string{"code", "a", "b"}, `more than one code given; put an address in quotes; see: lwa-agent code --help`},
		{[]string{"completion"}, `which shell? bash, zsh or fish; see: lwa-agent completion --help`},
		{[]string{"completion", "csh"}, `which shell? bash, zsh or fish; see: lwa-agent completion --help`},
	} {
		f.run("", test.args...).expect(t, strings.Join(test.args, " "), 2, "", "lwa-agent: "+test.want+"\n")
	}
}

func TestCompletionsAndVersionNeedNoAgent(t *testing.T) {
	f := newFake(t, unlinked())
	for shell, part := range map[string]string{"bash": "complete -o", "zsh": "#compdef lwa-agent", "fish": "complete -c lwa-agent"} {
		if r := f.run("", "completion", shell); r.exit != 0 || r.err != "" || !strings.Contains(r.out, part) {
			t.Errorf("completion %s: status %d, %q; want %q in it", shell, r.exit, r.err, part)
		}
	}
	if r := f.run("", "version"); r.exit != 0 || !strings.HasPrefix(r.out, "lwa-agent ") || !strings.Contains(r.out, " go1.") {
		t.Errorf("version said %+v", r)
	}
}

func TestTextFromTheNetworkCannotCommandATerminal(t *testing.T) {
	s := linked()
	s.Account = "Jo\x1b]0;owned\a\nfake: line"
	s.LastError = &agent.Problem{Code: "x", Message: "a\x1b[2Jb", Hint: "c\rd", At: *timeAt("2026-03-01T10:00:00Z")}
	f := startFake(t, s)
	f.on("POST /unlink", http.StatusConflict, agent.Problem{Code: "x", Message: "no\x1b[31m"}, nil)
	for _, r := range []result{f.run("", "status"), f.run("", "link"), f.run("", "unlink")} {
		if strings.ContainsAny(r.out+r.err, "\x1b\a\r") || strings.Contains(r.out, "\nfake") {
			t.Errorf("an account's name can write to the terminal: %q %q", r.out, r.err)
		}
	}
}

func TestWatchPrintsALinePerChangeAndOutlivesTheAgent(t *testing.T) {
	f := startFake(t, unlinked())
	c := f.begin("", "watch")
	c.out.await(t, `"state":"unlinked"`)
	f.publish(func(s *agent.Status) { *s = linked() })
	c.out.await(t, `"state":"linked"`)

	f.stop()
	f.publish(func(s *agent.Status) { s.Account = "Another" })
	f.start()
	c.out.await(t, "Another")
	c.stop()
	r := c.wait()
	if r.exit != 1 || r.err != "" {
		t.Errorf("after Ctrl-C: status %d, %q; want 1 and silence", r.exit, r.err)
	}
	if n := strings.Count(r.out, "\n"); n != 3 || strings.Count(r.out, `{"state":`) != 3 {
		t.Errorf("%d lines, want one per change:\n%s", n, r.out)
	}
}

func TestWaitReturnsOnceLinkedEvenIfTheAgentStartsLater(t *testing.T) {
	f := newFake(t, unlinked())
	c := f.begin("", "wait")
	f.start()
	f.publish(func(s *agent.Status) { *s = linked() })
	c.wait().expect(t, "a boot script would go on too early, or never", 0, "", "")
	f.run("", "wait", "--timeout", "0").expect(t, "linked is linked, also with no time to wait", 0, "", "")
}

func TestWaitThatTimesOutIsStatus3WithTheReason(t *testing.T) {
	f := newFake(t, unlinked())
	f.run("", "wait", "--timeout", "50ms").expect(t, "no agent", 3, "",
		"lwa-agent: not linked within 50ms: the agent is not running (no "+f.socket()+"); start it with: sudo systemctl start lwa-agent\n")
	f.run("", "wait", "--timeout", "0").expect(t, "no agent, asked once", 3, "",
		"lwa-agent: not linked within 0s: the agent is not running (no "+f.socket()+"); start it with: sudo systemctl start lwa-agent\n")
	f.start()
	f.run("", "wait", "--timeout", "50ms").expect(t, "nobody signed in", 3, "",
		"lwa-agent: not linked within 50ms: nobody has signed in; link it with: lwa-agent link\n")
	f.publish(func(s *agent.Status) {
		s.LastError = &agent.Problem{Code: "clock", Message: "the clock is wrong", Hint: "set it", At: *timeAt("2026-03-01T10:00:00Z")}
	})
	f.run("", "wait", "--timeout", "50ms").expect(t, "something is wrong", 3, "",
		"lwa-agent: not linked within 50ms: the clock is wrong; set it\n")
}

func TestHelpOfEveryCommandFitsATerminal(t *testing.T) {
	f := newFake(t, unlinked())
	for _, name := range []string{"setup", "run", "display", "link", "relink", "unlink", "code", "import", "status", "doctor", "token", "watch", "wait", "install", "uninstall", "provision", "version", "completion"} {
		r := f.run("", name, "--help")
		if r.exit != 0 || !strings.Contains(r.out, "lwa-agent "+name) {
			t.Errorf("%s --help: %+v", name, r)
		}
		for line := range bytes.Lines([]byte(r.out)) {
			if n := len([]rune(string(bytes.TrimSuffix(line, []byte("\n"))))); n > 88 {
				t.Errorf("%s --help has a line of %d columns:\n%s", name, n, line)
			}
		}
	}
}
