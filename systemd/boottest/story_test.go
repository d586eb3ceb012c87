//go:build boottest

package boottest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
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

// install puts the package on a disk, and people into its groups.
func install(t *testing.T, root, deb string) string {
	t.Helper()
	debiantest.Run(t, "cp", deb, filepath.Join(root, "package.deb"))
	debiantest.Run(t, "chroot", root, "dpkg", "-i", "/package.deb")
	for _, user := range []string{"alice", "bob"} {
		debiantest.Run(t, "chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", user)
	}
	// The journal of all boots is to be read at the end.
	if err := os.MkdirAll(filepath.Join(root, "var/log/journal"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"lwa-agent", "lwa-agent-display"} {
		if state := debiantest.Run(t, "chroot", root, "systemctl", "is-enabled", unit); state != "enabled" {
			t.Errorf("%s is %s after the installation; it has to start at boot", unit, state)
		}
	}
	return "both units enabled"
}

func (d *device) installed() string {
	d.t.Helper()
	for path, want := range map[string]string{
		"/var/spool/lwa-agent":                  "3770 lwa-agent:lwa-agent",
		"/etc/lwa-agent":                        "755 root:root",
		"/usr/bin/lwa-agent":                    "755 root:root",
		"/usr/share/doc/lwa-agent":              "755 root:root",
		"/lib/systemd/system/lwa-agent.service": "644 root:root",
	} {
		if got := d.must("stat", "-c", "%a %U:%G", path); got != want {
			d.t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	return d.must("lwa-agent", "version")
}

func (d *device) noFailedUnits() {
	d.t.Helper()
	if failed := d.must("systemctl", "--failed", "--no-legend", "--plain"); failed != "" {
		d.t.Errorf("units have failed: %s", failed)
	}
}

// startTime is how long a unit took to be ready.
func (d *device) startTime(unit string) time.Duration {
	d.t.Helper()
	at := func(property string) time.Duration {
		us, err := time.ParseDuration(d.property(unit, property) + "us")
		if err != nil {
			d.t.Fatal(err)
		}
		return us
	}
	return (at("ActiveEnterTimestampMonotonic") - at("ExecMainStartTimestampMonotonic")).Round(time.Millisecond)
}

// refusedNamingGroup runs a command that has to fail and to say why and what to do.
func (d *device) refusedNamingGroup(user, command string) string {
	d.t.Helper()
	out, err := d.as(user, command)
	if err == nil {
		d.t.Errorf("%s may run %q: %s", user, command, out)
	} else if !strings.Contains(out, "usermod") || !strings.Contains(out, "lwa-agent") || strings.Contains(out, "\n") {
		d.t.Errorf("%s is told %q; want one line with the group to join and the command for it", user, out)
	}
	return out
}

// networkUp makes Amazon reachable, and an interface that says so.
func (d *device) networkUp() {
	d.t.Helper()
	d.must("systemctl", "start", "amazon.socket")
	d.must("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
	d.must("ip", "address", "add", "192.0.2.10/24", "dev", "up0")
	d.must("ip", "link", "set", "up1", "up")
	d.must("ip", "link", "set", "up0", "up")
}

// nothingLeftInDrop: "linked" is said after the file with the code was removed.
func (d *device) nothingLeftInDrop() {
	d.t.Helper()
	if left := d.mustAs("alice", "ls -A /var/spool/lwa-agent"); left != "RESULT.txt" {
		st, err := d.status()
		d.t.Errorf("in the drop directory are %q; want RESULT.txt alone, since a code does not lie about\n%s\nstatus %+v, %v\n%s", left,
			d.must("sh", "-c", "cd /var/spool/lwa-agent && ls -la --time-style=full-iso && cat RESULT.txt"), st, err, d.journal("-u", "lwa-agent", "-n", "10"))
	}
	if result := d.mustAs("alice", "cat /var/spool/lwa-agent/RESULT.txt"); result == "" {
		d.t.Error("RESULT.txt is empty; it has to say what became of the code")
	}
}

// wantToken checks that a program got the newest access token, by its hash,
// so that the token itself is never on anybody's screen.
func (d *device) wantToken(sha256sum string) string {
	d.t.Helper()
	got := strings.TrimSuffix(strings.TrimSpace(sha256sum), "-")
	if want := d.amazon.NewestToken(); want == "" || !strings.HasPrefix(got, want) {
		d.t.Errorf("a token with SHA-256 %q was handed out, Amazon's newest begins with %q", got, want)
	}
	return "it is Amazon's newest"
}

// unharmed restarts the agent by force: the link and the access token must
// survive without a call to Amazon.
func (d *device) unharmed(harm func()) string {
	d.t.Helper()
	calls, pid := d.amazon.Count(), d.property("lwa-agent", "MainPID")
	began := time.Now()
	harm()
	d.await(30*time.Second, "another agent to run", func() (bool, string) {
		now := d.property("lwa-agent", "MainPID")
		return now != pid && now != "0" && d.property("lwa-agent", "ActiveState") == "active", "its process is " + now
	})
	took := time.Since(began)
	d.awaitStatus(10*time.Second, "it to be linked", linked)
	d.wantToken(d.mustAs("alice", "lwa-agent token | tr -d '\\n' | sha256sum"))
	if n := d.amazon.Count() - calls; n != 0 {
		d.t.Errorf("%d calls to Amazon; the token of the same boot was to be used", n)
	}
	return fmt.Sprintf("linked again after %.1f s", took.Seconds())
}

// hangs stops the process as a deadlock would, which nothing but the watchdog
// notices. Its 90 s are 15 s here; the link in sight is to be the same.
func (d *device) hangs() string {
	d.t.Helper()
	const limit = 15 * time.Second
	d.write("/run/systemd/system/lwa-agent.service.d/short.conf", fmt.Sprintf("[Service]\nWatchdogSec=%d\n", int(limit.Seconds())))
	d.must("systemctl", "daemon-reload")
	d.must("systemctl", "restart", "lwa-agent")
	before := d.awaitStatus(20*time.Second, "a link to be offered", offered)
	restarts := d.property("lwa-agent", "NRestarts")
	began := time.Now()
	d.must("systemctl", "kill", "--signal=STOP", "--kill-who=main", "lwa-agent")
	d.await(2*limit+30*time.Second, "the watchdog to act", func() (bool, string) {
		return d.property("lwa-agent", "NRestarts") != restarts && d.property("lwa-agent", "ActiveState") == "active", "the agent still hangs"
	})
	took := time.Since(began)
	after := d.awaitStatus(20*time.Second, "a link to be offered again", offered)
	if after.AuthorizeURL != before.AuthorizeURL {
		d.t.Error("another link is offered than before the hang: who has scanned the QR code already would be turned away")
	}
	if !strings.Contains(d.journal("-u", "lwa-agent"), "Watchdog timeout") {
		d.t.Error("it came back, but not by the watchdog")
	}
	if err := os.Remove(d.path("/run/systemd/system/lwa-agent.service.d/short.conf")); err != nil {
		d.t.Fatal(err)
	}
	d.must("systemctl", "daemon-reload")
	return fmt.Sprintf("back after %.1f s (WatchdogSec=%v for the test) with the same link", took.Seconds(), limit)
}

// nothingLeaked looks for every secret of the story where others may look.
func (d *device) nothingLeaked() string {
	d.t.Helper()
	for _, r := range d.secrets {
		if u, err := url.Parse(r); err == nil && u.Query().Get("state") != "" {
			d.secrets = append(d.secrets, u.Query().Get("state"))
		}
	}
	secrets := append(d.secrets, "Atza|", "Atzr|")
	places := map[string]string{"the journal": d.must("journalctl", "--no-pager", "--all", "-o", "export")}
	for _, unit := range []string{"lwa-agent", "lwa-agent-display"} {
		pid := d.property(unit, "MainPID")
		places[unit+"'s arguments"] = d.must("cat", "/proc/"+pid+"/cmdline")
		places[unit+"'s environment"] = d.must("cat", "/proc/"+pid+"/environ")
		places[unit+" as systemctl shows it"] = d.must("systemctl", "show", unit)
	}
	places["the status"] = d.mustAs("alice", "lwa-agent status; lwa-agent status --json")
	for place, text := range places {
		if len(text) < 10 {
			d.t.Errorf("%s cannot be searched, it is %q", place, text)
		}
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				d.t.Errorf("%s holds a secret that begins with %.5q, after %q", place, secret, text[max(0, i-200):i])
			}
		}
	}
	if mode := d.must("stat", "-c", "%a %U", "/var/lib/lwa-agent"); mode != "700 lwa-agent" {
		d.t.Errorf("the state directory is %s, want 700 lwa-agent", mode)
	}
	if open := d.must("find", "/var/lib/lwa-agent", "-type", "f", "-perm", "/077"); open != "" {
		d.t.Errorf("others may read %s", open)
	}
	return fmt.Sprintf("%d secrets, %d KiB of journal", len(secrets), len(places["the journal"])>>10)
}

func (d *device) removal() string {
	d.t.Helper()
	d.must("dpkg", "--remove", "lwa-agent")
	if _, err := d.run("systemctl", "is-active", "lwa-agent"); err == nil {
		d.t.Error("the agent runs on after its removal")
	}
	if kept := d.must("ls", "-A", "/var/lib/lwa-agent"); kept == "" {
		d.t.Error("the link is gone after a removal; only a purge is to forget it")
	}
	d.must("dpkg", "-i", "/var/tmp/again.deb")
	d.awaitStatus(20*time.Second, "the link to be found again by another installation", linked)
	d.must("dpkg", "--purge", "lwa-agent")
	for _, path := range []string{"/var/lib/lwa-agent", "/var/spool/lwa-agent", "/etc/lwa-agent", "/run/lwa-agent", storedSecret, storedSecret + ".old", "/etc/systemd/system/multi-user.target.wants/lwa-agent.service", "/etc/systemd/system/multi-user.target.wants/lwa-agent-provision.service"} {
		if _, err := d.run("test", "-e", path); err == nil {
			d.t.Errorf("%s is still there after a purge", path)
		}
	}
	d.noFailedUnits()
	return ""
}

// zbar reads the QR code in a picture.
func zbar(t *testing.T, picture string) (string, error) {
	out, err := exec.CommandContext(t.Context(), "zbarimg", "--nodbus", "--quiet", "--raw", picture).Output()
	if err != nil {
		return "", fmt.Errorf("zbarimg finds no code in the picture: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// mknod makes a device that neither unit is allowed: /dev/fuse, which opens
// without any right and does nothing.
func (d *device) mknod() {
	d.t.Helper()
	path := d.path("/dev/foreign")
	if err := syscall.Mknod(path, syscall.S_IFCHR|0o666, 10<<8|229); err != nil && !os.IsExist(err) {
		d.t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		d.t.Fatal(err)
	}
}
