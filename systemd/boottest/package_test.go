//go:build boottest

package boottest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"lwa-agent/systemd/debiantest"
)

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
