//go:build boottest

package boottest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const examples = "/usr/share/doc/lwa-agent/examples/"

// rules lets bob, who is in no group of ours, have the token and nothing else: in
// the unit's sandbox, on the file system that /run is.
func (d *device) rules() string {
	d.t.Helper()
	defer func() { d.write("/etc/lwa-agent/config.toml", config) }()
	d.write("/etc/lwa-agent/config.toml", config+"\n[[access]]\nuser = \"bob\"\nmay = [\"token\"]\n")
	d.await(20*time.Second, "bob to get the token", func() (bool, string) {
		out, err := d.run("runuser", "-u", "bob", "--", "lwa-agent", "token")
		if err != nil {
			out += err.Error()
		}
		return err == nil && strings.HasPrefix(out, "Atza|"), out
	})
	if out, err := d.run("runuser", "-u", "bob", "--", "lwa-agent", "status"); err == nil || !strings.Contains(out, "[[access]]") {
		d.t.Errorf("bob asks for the status: %v, %s; want that his rule does not allow it", err, out)
	}
	if mode := d.must("stat", "-c", "%a", "/run/lwa-agent/agent.sock"); mode != "660" {
		d.t.Errorf("agent.sock has mode %s: everybody may knock", mode)
	}
	taken := d.mustAs("alice", "lwa-agent status")
	if !strings.Contains(taken, "by user bob") || !strings.Contains(taken, "for the unit by-credential.service") {
		d.t.Errorf("the status does not say who took the token:\n%s", taken)
	}
	d.write("/etc/lwa-agent/config.toml", config)
	d.await(20*time.Second, "bob to be kept out again", func() (bool, string) {
		out, err := d.run("runuser", "-u", "bob", "--", "lwa-agent", "token")
		return err != nil && strings.Contains(out, "usermod -aG lwa-agent bob"), out
	})
	return "by an access control list, taken back with the rule"
}

// exampleUnits are started as they come with the package.
func (d *device) exampleUnits() string {
	d.t.Helper()
	d.write("/usr/local/bin/link-changed", "#!/bin/sh\necho \"$(id -u) $LWA_STATUS\" >>\"$RUNTIME_DIRECTORY/changes\"\n")
	d.must("chmod", "755", "/usr/local/bin/link-changed")
	d.must("cp", examples+"lwa-agent-on-change.service", examples+"lwa-agent-linked.service", "/run/systemd/system/")
	d.write("/run/systemd/system/lwa-agent-on-change.service.d/out.conf", "[Service]\nRuntimeDirectory=on-change\n")
	d.must("systemctl", "daemon-reload")
	d.must("systemctl", "start", "lwa-agent-linked", "lwa-agent-on-change")
	defer d.must("systemctl", "stop", "lwa-agent-on-change", "lwa-agent-linked")
	said := ""
	d.await(20*time.Second, "the command to hear of the link", func() (bool, string) {
		out, err := d.run("sh", "-c", "cat /run/on-change/changes")
		said = out
		return err == nil && strings.Contains(out, `"state":"linked"`), out
	})
	if uid, _, _ := strings.Cut(said, " "); uid == "0" {
		d.t.Error("the command runs as root")
	}
	return "lwa-agent-linked, and lwa-agent-on-change with a command of its own user"
}

// stateInJournal finds the link by its field, in an entry of the agent's own: its
// sandbox lets it reach the journal.
func (d *device) stateInJournal() string {
	d.t.Helper()
	lines := strings.Split(d.must("journalctl", "--no-pager", "-b", "-o", "json", "-u", "lwa-agent", "LWA_STATE=linked"), "\n")
	var entry map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &entry); err != nil {
		d.t.Fatalf("%v: no entry says that it is linked: %q", err, lines)
	}
	if entry["PRIORITY"] != "6" || entry["_TRANSPORT"] != "journal" || !strings.HasPrefix(fmt.Sprint(entry["MESSAGE"]), "linked state=linked") {
		d.t.Errorf("the entry is %v", entry)
	}
	return fmt.Sprint(entry["MESSAGE"])
}
