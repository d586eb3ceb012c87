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

const storedSecret = "/etc/credstore/lwa-agent.client_secret"

// An interview is the questions of setup, each with what alice types.
type interview [][2]string

// setUp is "sudo lwa-agent setup" at a terminal: alice answers, links the device
// when its words for that are there, and it ends by itself.
func (d *device) setUp(asked interview, words string, link func()) string {
	d.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	setup := d.inside(ctx, "env", "SUDO_USER=alice", "lwa-agent", "setup")
	terminal, err := pty.StartWithSize(setup, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		d.t.Fatal(err)
	}
	defer terminal.Close()
	var screen lockedBuffer
	go io.Copy(&screen, terminal)

	typed, texts := 0, 0
	for _, a := range asked {
		d.awaitScreen(&screen, a[0])
		fmt.Fprintf(terminal, "%s\n", a[1])
		typed += len(a[1]) + 1
		if strings.HasPrefix(a[1], "amzn1.") {
			texts += len(a[1])
		}
	}
	d.awaitScreen(&screen, words)
	link()
	d.awaitScreen(&screen, "linked to the account of Ada Lovelace")
	if err := setup.Wait(); err != nil {
		d.t.Errorf("setup ends with %v:\n%s", err, screen.String())
	}
	if strings.Contains(screen.String(), lwatest.WebClientSecret[:20]) {
		d.t.Error("the client secret was shown on the terminal")
	}
	return fmt.Sprintf("%d questions, %d characters, %d of them copied from the console; %.1f s from the command to linked",
		len(asked), typed, texts, time.Since(began).Seconds())
}

func (d *device) awaitScreen(screen *lockedBuffer, words string) {
	d.t.Helper()
	d.await(20*time.Second, fmt.Sprintf("%q on the terminal", words), func() (bool, string) {
		shown := screen.String()
		return strings.Contains(shown, words), "it shows\n" + shown
	})
}

// setUpForWeb goes from no client id to linked. The code comes from alice, who
// may use the agent by then.
func (d *device) setUpForWeb() string {
	d.t.Helper()
	d.write("/etc/lwa-agent/config.toml", beforeSetup)
	d.secrets = append(d.secrets, lwatest.WebClientSecret)
	found := d.setUp(interview{
		{"1 or 2 [1]: ", "2"},
		{"Client id: ", lwatest.WebClientID},
		{"Client secret (not shown): ", lwatest.WebClientSecret},
		{"Return URL [https://localhost:9745/authresponse]: ", ""},
		{"Product id, if this is an Alexa product (else Enter): ", ""},
		{"Let alice use the agent, by joining the group lwa-agent? [Y/n] ", ""},
	}, "Code or address: ", func() {
		redirect, _ := d.allow()
		d.mustAs("alice", "cat > address && cp address /var/spool/lwa-agent/ && rm address", redirect+"\n")
	})
	for path, want := range map[string]string{
		"/etc/lwa-agent/config.toml":     "644 root:root",
		"/etc/lwa-agent/config.toml.old": "644 root:root",
		"/etc/credstore":                 "700 root:root",
		storedSecret:                     "600 root:root",
	} {
		if got := d.must("stat", "-c", "%a %U:%G", path); got != want {
			d.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if left := d.must("find", "/etc/lwa-agent", "/etc/credstore", "-name", ".*"); left != "" {
		d.t.Errorf("unfinished files were left behind: %s", left)
	}
	if kept := d.must("cat", "/etc/lwa-agent/config.toml"); !strings.Contains(kept, strings.TrimSpace(beforeSetup)) {
		d.t.Errorf("settings of before are gone, there is\n%s", kept)
	}
	d.await(20*time.Second, "the display, which starts with the agent", func() (bool, string) {
		state := d.property("lwa-agent-display", "ActiveState")
		return state == "active", "it is " + state
	})
	return found
}

// setUpForDevices replaces the client of a linked device by one without a secret.
func (d *device) setUpForDevices() string {
	d.t.Helper()
	found := d.setUp(interview{
		{"Change it? [y/N] ", "y"},
		{"1 or 2 [2]: ", "1"},
		{"Client id [" + lwatest.WebClientID + "]: ", lwatest.DeviceClientID},
		{"Product id, if this is an Alexa product (else Enter): ", ""},
	}, "Waiting until you have signed in", func() {
		s := d.awaitStatus(20*time.Second, "a code", func(s agent.Status) bool { return s.UserCode != "" })
		if err := d.amazon.AllowPair(s.UserCode); err != nil {
			d.t.Fatal(err)
		}
	})
	if _, err := d.run("test", "-e", storedSecret); err == nil {
		d.t.Error("systemd still hands the agent a secret that this client does not have")
	}
	return found
}

// setUpByScript goes back to the first client, without a terminal and without a
// wait for somebody who signs in.
func (d *device) setUpByScript() string {
	d.t.Helper()
	said := d.must("sh", "-c", "lwa-agent setup --yes --tab 2 --client-id "+lwatest.WebClientID+" --client-secret-file - < "+storedSecret+".old")
	if !strings.Contains(said, "\nstarted: lwa-agent.service\n") || !strings.Contains(said, "http://"+amazonAddress+"/ap/oa?") {
		d.t.Errorf("the script is told neither that the agent runs nor how to link it:\n%s", said)
	}
	if st := d.awaitStatus(time.Second, "a link to be offered", offered); st.State != agent.Unlinked {
		d.t.Errorf("with another client the device is %s", st.State)
	}
	return ""
}
