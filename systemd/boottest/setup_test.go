//go:build boottest

package boottest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/creack/pty"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
)

// beforeSetup is what a maker puts into an image: all but the client.
var beforeSetup = strings.Replace(config, "client_id = \""+lwatest.WebClientID+"\"\n", "", 1)

// interview is what alice types, in the order of the questions.
var interview = []struct{ question, answer string }{
	{"1 or 2 [1]: ", "2"},
	{"Client id: ", lwatest.WebClientID},
	{"Client secret (not shown): ", lwatest.WebClientSecret},
	{"Return URL [https://localhost:9745/authresponse]: ", ""},
	{"Product id, if this is an Alexa product (else Enter): ", ""},
	{"Let alice use the agent, by joining the group lwa-agent? [Y/n] ", ""},
}

// setUp is "sudo lwa-agent setup" at a terminal, from no client id to linked. The
// code comes from alice, who may use the agent by then.
func (d *device) setUp() string {
	d.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	d.write("/etc/lwa-agent/config.toml", beforeSetup)
	d.secrets = append(d.secrets, lwatest.WebClientSecret)
	setup := d.inside(ctx, "env", "SUDO_USER=alice", "lwa-agent", "setup")
	terminal, err := pty.StartWithSize(setup, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		d.t.Fatal(err)
	}
	defer terminal.Close()
	var screen lockedBuffer
	go io.Copy(&screen, terminal)

	typed := 0
	for _, a := range interview {
		d.awaitScreen(&screen, a.question)
		fmt.Fprintf(terminal, "%s\n", a.answer)
		typed += len(a.answer) + 1
	}
	d.awaitScreen(&screen, "Code or address: ")
	redirect, _ := d.allow()
	d.mustAs("alice", "cat > address && cp address /var/spool/lwa-agent/ && rm address", redirect+"\n")
	d.awaitScreen(&screen, "linked to the account of Ada Lovelace")
	if err := setup.Wait(); err != nil {
		d.t.Errorf("setup ends with %v:\n%s", err, screen.String())
	}
	took := time.Since(began)

	if strings.Contains(screen.String(), lwatest.WebClientSecret[:20]) {
		d.t.Error("the client secret was shown on the terminal")
	}
	for path, want := range map[string]string{
		"/etc/lwa-agent/config.toml":             "644 root:root",
		"/etc/lwa-agent/config.toml.old":         "644 root:root",
		"/etc/credstore":                         "700 root:root",
		"/etc/credstore/lwa-agent.client_secret": "600 root:root",
	} {
		if got := d.must("stat", "-c", "%a %U:%G", path); got != want {
			d.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if left := d.must("sh", "-c", "ls -A /etc/lwa-agent /etc/credstore"); strings.Contains(left, ".lwa-agent.") || strings.Contains(left, ".config.toml.") {
		d.t.Errorf("unfinished files were left behind:\n%s", left)
	}
	if kept := d.must("cat", "/etc/lwa-agent/config.toml"); !strings.Contains(kept, strings.TrimSpace(beforeSetup)) {
		d.t.Errorf("settings of before are gone, there is\n%s", kept)
	}
	if state := d.property("lwa-agent-display", "ActiveState"); state != "active" {
		d.t.Errorf("the display is %s; it has to start with the agent", state)
	}
	return fmt.Sprintf("%d questions, %d characters, %d of them the client's id and secret; %.1f s from the command to linked",
		len(interview), typed, len(lwatest.WebClientID+lwatest.WebClientSecret), took.Seconds())
}

func (d *device) awaitScreen(screen *lockedBuffer, words string) {
	d.t.Helper()
	d.await(20*time.Second, fmt.Sprintf("%q on the terminal", words), func() (bool, string) {
		shown := screen.String()
		return strings.Contains(shown, words), "it shows\n" + shown
	})
}

// unlinkAfterSetup puts the device back to the start of its life.
func (d *device) unlinkAfterSetup() string {
	d.t.Helper()
	d.mustAs("alice", "lwa-agent unlink")
	st := d.awaitStatus(20*time.Second, "a link to be offered", func(s agent.Status) bool { return s.State == agent.Unlinked && offered(s) })
	return st.Reason
}
