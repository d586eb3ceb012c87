//go:build boottest

package boottest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/systemd/debiantest"
)

// TestDeviceFromInstallationToRemoval is one story; each step goes on where
// the last one ended.
func TestDeviceFromInstallationToRemoval(t *testing.T) {
	debiantest.NeedRoot(t, tools)
	s := debiantest.Tell(t, os.Stdout)

	var root, deb string
	s.Step("a plain Debian", func() string {
		root = debiantest.Root(t)
		release, err := os.ReadFile(filepath.Join(root, "etc/debian_version"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(release)) + ", " + strings.SplitN(debiantest.Run(t, "chroot", root, "systemctl", "--version"), "\n", 2)[0]
	})
	s.Step("the package is built", func() string { deb = debiantest.Package(t, debiantest.Native()); return filepath.Base(deb) })
	s.Step("and installed on the disk of a machine that is off", func() string { return install(t, root, deb) })
	amazon := serveAmazon(t, root)
	debiantest.Build(t, runtime.GOARCH, debiantest.Probe, filepath.Join(root, debiantest.ProbePath))

	d := &device{amazon: amazon}
	s.Step("it boots, with no configuration: nothing fails", func() string {
		d.machine = boot(t, root)
		d.awaitBoot()
		if state := d.property("lwa-agent", "ActiveState"); state != "inactive" {
			t.Errorf("without a configuration the agent waits for one; it is %s", state)
		}
		d.noFailedUnits()
		return "lwa-agent waits for /etc/lwa-agent/config.toml"
	})
	s.Step("users, directories and units are there", d.installed)

	s.Step("sudo lwa-agent setup, \"Web settings\": linked by alice, in the group by then", func() string {
		d.networkUp()
		return d.setUpForWeb()
	})
	s.Step("and with \"Other devices and platforms\" in its place", d.setUpForDevices)
	s.Step("and back, by a script", d.setUpByScript)

	s.Step("it boots without network", func() string {
		d.reboot()
		if state := d.property("lwa-agent", "ActiveState"); state != "active" {
			t.Fatalf("the agent is %s after a boot without network; it has to show the link\n%s", state, d.journal("-u", "lwa-agent"))
		}
		return fmt.Sprintf("ready %s after its start; STATUS %q", d.startTime("lwa-agent"), d.property("lwa-agent", "StatusText"))
	})

	var first agent.Status
	s.Step("alice, of group lwa-agent, asks and gets the link", func() string {
		text := d.mustAs("alice", "lwa-agent status --json")
		if err := json.Unmarshal([]byte(text), &first); err != nil {
			t.Fatalf("status --json: %v in %s", err, text)
		}
		if first.State != agent.Unlinked || first.AuthorizeURL == "" {
			t.Fatalf("status is %q with the link %q; want unlinked and a link, for that needs no network", first.State, first.AuthorizeURL)
		}
		return fmt.Sprintf("%d bytes", len(first.AuthorizeURL))
	})
	s.Step("bob, who is not, is refused", func() string { return d.refusedNamingGroup("bob", "lwa-agent status") })
	s.Step("the display shows the link as a QR code", func() string {
		d.awaitPicture(first.AuthorizeURL)
		d.awaitStatus(10*time.Second, "the display's report", func(s agent.Status) bool { return len(s.Displays) == 1 && s.Displays[0].Error == "" })
		return "read by zbarimg"
	})

	s.Step("with the drop-in for a screen, it is on a console of the kernel", d.onConsole)

	s.Step("alice scans, signs in, and copies the address into the drop directory: cp", func() string {
		before := amazon.Count(lwatest.Exchange)
		redirect, _ := d.allow()
		d.mustAs("alice", "cat > address.txt && cp address.txt /var/spool/lwa-agent/", redirect+"\n")
		st := d.awaitStatus(20*time.Second, "the agent to notice that there is no network", func(s agent.Status) bool { return s.LastError != nil })
		if n := amazon.Count(lwatest.Exchange) - before; n != 0 {
			t.Errorf("%d codes reached Amazon without a network", n)
		}
		return fmt.Sprintf("kept: %s", st.LastError.Message)
	})
	s.Step("the network comes: linked", func() string {
		d.networkUp()
		st := d.awaitStatus(2*time.Minute, "the device to be linked", linked)
		d.nothingLeftInDrop()
		return fmt.Sprintf("account %q; STATUS %q", st.Account, d.property("lwa-agent", "StatusText"))
	})

	s.Step("another unit gets the token: LoadCredential=lwa_token:/run/lwa-agent/token.sock", func() string {
		return d.wantToken(d.unit("by-credential", `[Service]
DynamicUser=yes
PrivateNetwork=yes
LoadCredential=lwa_token:/run/lwa-agent/token.sock
ExecStart=sh -c 'sha256sum < ${CREDENTIALS_DIRECTORY}/lwa_token'
`))
	})
	s.Step("a service of group lwa-agent gets it: lwa-agent token", func() string {
		return d.wantToken(d.unit("by-command", `[Service]
DynamicUser=yes
SupplementaryGroups=lwa-agent
ExecStart=sh -c 'lwa-agent token | tr -d "\\n" | sha256sum'
`))
	})
	s.Step("and by curl, from agent.sock", func() string {
		return d.wantToken(d.unit("by-socket", `[Service]
DynamicUser=yes
SupplementaryGroups=lwa-agent
ExecStart=sh -c 'curl -sS --fail --unix-socket /run/lwa-agent/agent.sock http://lwa-agent/token | grep -o "Atza|[^\\"]*" | tr -d "\\n" | sha256sum'
`))
	})
	s.Step("and from the token file, with no program at all", func() string {
		return d.wantToken(d.mustAs("alice", "tr -d '\\n' < /run/lwa-agent/access_token | sha256sum"))
	})
	s.Step("bob gets it too, by a rule for him", d.rules)
	s.Step("the units of the examples run as they come", d.exampleUnits)
	s.Step("journalctl finds the link by a field", d.stateInJournal)
	s.Step("bob gets none", func() string { return d.refusedNamingGroup("bob", "lwa-agent token") })
	s.Step("the sandboxes hold, and without one all of it works", d.sandboxes)

	s.Step("sudo lwa-agent doctor: nothing is wrong; with the service stopped it says so", d.examined)

	s.Step("kill -9: it comes back linked, without asking Amazon", func() string {
		return d.unharmed(func() { d.must("systemctl", "kill", "--signal=KILL", "lwa-agent") })
	})
	s.Step("an upgrade: the same", func() string {
		d.write("/var/tmp/again.deb", "")
		debiantest.Run(t, "cp", deb, d.path("/var/tmp/again.deb"))
		return d.unharmed(func() {
			if said := d.must("sh", "-c", "dpkg -i /var/tmp/again.deb 2>&1"); strings.Contains(said, "Failed") {
				t.Errorf("a person who installs it reads of a failure:\n%s", said)
			}
		})
	})

	s.Step("it crashes again and again: never given up, and Amazon is not asked", d.crashLoop)

	s.Step("unlink; it hangs while it shows the link: the watchdog brings it back", func() string {
		d.mustAs("alice", "lwa-agent unlink")
		if _, err := os.Stat(d.path("/run/lwa-agent/token.sock")); err == nil {
			t.Error("token.sock is still there after unlink; units would start without a token")
		}
		return d.hangs()
	})
	s.Step("an upgrade between scan and drop; alice moves a bare code into the drop directory: mv", func() string {
		code := d.upgradeWhileLinking()
		d.mustAs("alice", "umask 022; cat > code && mv code /var/spool/lwa-agent/", code)
		st := d.awaitStatus(20*time.Second, "the device to be linked", linked)
		d.nothingLeftInDrop()
		return fmt.Sprintf("linked, account %q", st.Account)
	})
	s.Step("relink: the old link serves until the new one is there; alice types the code into vi", func() string {
		d.mustAs("alice", "lwa-agent relink")
		_, code := d.allow()
		d.wantToken(d.mustAs("alice", "lwa-agent token | tr -d '\\n' | sha256sum"))
		old := d.awaitStatus(time.Second, "the old link", func(s agent.Status) bool { return s.LinkedSince != nil })
		d.edit("alice", "/var/spool/lwa-agent/code.txt", code)
		d.awaitStatus(20*time.Second, "the new link", func(s agent.Status) bool {
			return linked(s) && s.LinkedSince != nil && s.LinkedSince.After(*old.LinkedSince)
		})
		d.nothingLeftInDrop()
		return d.wantToken(d.mustAs("alice", "lwa-agent token | tr -d '\\n' | sha256sum"))
	})

	s.Step("the machine reboots: still linked, after one refresh", func() string {
		before := amazon.Count()
		d.reboot()
		d.networkUp()
		st := d.awaitStatus(time.Minute, "a fresh token after the reboot", func(s agent.Status) bool { return linked(s) && s.ExpiresAt != nil })
		if all, n := amazon.Count()-before, amazon.Count(lwatest.Refresh); all != 1 {
			t.Errorf("%d requests to Amazon (%d refreshes in all) for the reboot, want one refresh", all, n)
		}
		return fmt.Sprintf("STATUS %q, linked since %s", d.property("lwa-agent", "StatusText"), st.LinkedSince.Format(time.TimeOnly)) +
			", " + d.wantToken(d.mustAs("alice", "lwa-agent token | tr -d '\\n' | sha256sum"))
	})

	s.Step("no code was sent twice, and nothing against the protocol", func() string {
		for _, v := range append(amazon.Violations(), amazon.CodesSentTwice()...) {
			t.Errorf("Amazon complains: %s", v)
		}
		return fmt.Sprintf("%d requests in all", amazon.Count())
	})
	s.Step("no secret in journal, arguments, environment or modes of files", d.nothingLeaked)
	s.Step("no unit has failed", func() string { d.noFailedUnits(); return "" })
	s.Step("removed: the link is kept; purged: nothing is", d.removal)
}
