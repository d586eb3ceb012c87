//go:build boottest

package boottest

import (
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

const (
	storedKey  = "/etc/credstore.encrypted/lwa-agent.store-key"
	stateFiles = "/var/lib/lwa-agent"
)

// TestLinkUnderAKeyOfSystemd is the life of a link that is encrypted: by the
// commands of encrypt.conf, with the key of the host for want of a TPM.
func TestLinkUnderAKeyOfSystemd(t *testing.T) {
	debiantest.NeedRoot(t, tools)
	s := debiantest.Tell(t, os.Stdout)
	root := debiantest.Root(t)
	s.Step("the package is installed, with a configuration", func() string {
		install(t, root, debiantest.Package(t, debiantest.Native()))
		hostWrite(t, root, "/etc/lwa-agent/config.toml", config)
		hostWrite(t, root, "/etc/credstore/lwa-agent.client_secret", lwatest.WebClientSecret)
		return ""
	})
	d := &device{amazon: serveAmazon(t, root), secrets: []string{lwatest.WebClientSecret}}
	debiantest.Build(t, runtime.GOARCH, "./probe", filepath.Join(root, "usr/bin/probe"))
	var serial string
	s.Step("it boots and is linked, in plain text", func() string {
		d.machine = boot(t, root)
		d.awaitBoot()
		d.networkUp()
		serial = d.linkAnew()
		if d.holdsToken() == "" {
			t.Error("no token is found where it has to be, so the rest proves nothing")
		}
		return d.must("systemctl", "--version")[:11]
	})
	s.Step("the commands of encrypt.conf: linked as before, and nothing in plain text", func() string {
		commands := d.commandsOfExample()
		d.must("sh", "-ec", strings.ReplaceAll(commands, "--with-key=tpm2", "--with-key=host"))
		d.wantLinked(serial)
		if names := d.holdsToken(); names != "" {
			t.Errorf("the token stands in %s", names)
		}
		if out, _ := d.run("sh", "-c", "grep -rlsa 'store-key' /proc/$(systemctl show -P MainPID lwa-agent)/environ"); out != "" {
			t.Error("the key is in the environment")
		}
		return d.must("head", "-c", "60", stateFiles+"/link.json") + "…"
	})
	s.Step("and after a reboot", func() string {
		d.reboot()
		d.networkUp()
		d.wantLinked(serial)
		return ""
	})
	s.Step("the key is gone: it asks to be linked, and says why", func() string {
		d.must("mv", storedKey, storedKey+".away")
		return d.wantAsking(serial)
	})
	s.Step("the key is back, and the link with it", func() string {
		d.must("mv", storedKey+".away", storedKey)
		d.must("systemctl", "restart", "lwa-agent")
		d.wantLinked(serial)
		return d.must("ls", stateFiles)
	})
	s.Step("another key: the same", func() string {
		d.must("cp", storedKey, storedKey+".old")
		d.must("sh", "-c", "head -c 32 /dev/urandom | systemd-creds encrypt --with-key=host --name=store-key - "+storedKey)
		return d.wantAsking(serial)
	})
	for name, made := range map[string]string{"empty": "true", "too short": "printf %031d 0"} {
		s.Step("a key that is "+name+": nothing is touched", func() string {
			d.must("sh", "-c", made+" | systemd-creds encrypt --with-key=host --name=store-key - "+storedKey)
			before := d.must("sh", "-c", "cat "+stateFiles+"/link.json | sha256sum")
			d.must("systemctl", "restart", "lwa-agent")
			st := d.awaitStatus(20*time.Second, "it to say so", func(s agent.Status) bool {
				return s.LastError != nil && strings.Contains(s.LastError.Message, "in place of 32")
			})
			if after := d.must("sh", "-c", "cat "+stateFiles+"/link.json | sha256sum"); after != before {
				t.Error("the record was changed")
			}
			return st.LastError.Message
		})
	}
	s.Step("a TPM that refuses: systemd does not start it; without the key it runs again", func() string {
		// To a host the key of another is what a cleared TPM's is.
		d.must("sh", "-c", "head -c 64 /dev/urandom | base64 > "+storedKey)
		d.run("systemctl", "restart", "lwa-agent")
		d.await(20*time.Second, "systemd to try again", func() (bool, string) {
			status := d.property("lwa-agent", "ExecMainStatus")
			return status == "243" && d.property("lwa-agent", "NRestarts") != "0", "it ended with " + status
		})
		d.must("rm", storedKey)
		d.await(30*time.Second, "it to run by itself", func() (bool, string) {
			state := d.property("lwa-agent", "ActiveState")
			return state == "active", "it is " + state
		})
		return "243/CREDENTIALS, and back " + d.wantAsking(serial)
	})
	s.Step("linked anew", func() string { d.linkAnew(); return "" })
	s.Step("purged: nothing is left", func() string {
		d.must("cp", storedKey+".old", storedKey)
		d.must("dpkg", "--purge", "lwa-agent")
		for _, path := range []string{storedKey, stateFiles} {
			if _, err := d.run("test", "-e", path); err == nil {
				t.Errorf("%s is left", path)
			}
		}
		return ""
	})
}

// linkAnew signs in and drops the code; it returns the serial number.
func (d *device) linkAnew() string {
	d.t.Helper()
	redirect, _ := d.allow()
	d.write("/var/spool/lwa-agent/code", redirect)
	return d.awaitStatus(time.Minute, "the device to be linked", linked).SerialNumber
}

// holdsToken names the files of the store with a token in plain text.
func (d *device) holdsToken() string {
	out, _ := d.run("grep", "-rlaF", "Atzr|", stateFiles)
	return out
}

// commandsOfExample are those that encrypt.conf tells a person to run.
func (d *device) commandsOfExample() string {
	d.t.Helper()
	var commands []string
	for line := range strings.Lines(d.must("cat", "/usr/share/doc/lwa-agent/examples/encrypt.conf")) {
		if command, is := strings.CutPrefix(line, "#   "); is {
			commands = append(commands, command)
		}
	}
	if len(commands) < 4 {
		d.t.Fatalf("only %d commands in encrypt.conf", len(commands))
	}
	return strings.Join(commands, "")
}

func (d *device) wantLinked(serial string) {
	d.t.Helper()
	st := d.awaitStatus(time.Minute, "it to be linked as before", func(s agent.Status) bool { return linked(s) && s.ExpiresAt != nil })
	if st.SerialNumber != serial {
		d.t.Errorf("the serial number is %s, it was %s", st.SerialNumber, serial)
	}
}

// wantAsking restarts the agent: it has to offer a link, with the reason.
func (d *device) wantAsking(serial string) string {
	d.t.Helper()
	d.must("systemctl", "restart", "lwa-agent")
	st := d.awaitStatus(20*time.Second, "a link to be offered", offered)
	if !strings.Contains(st.Reason, "encrypted") || st.SerialNumber != serial || st.LastError == nil {
		d.t.Errorf("reason %q, serial number %s, error %+v; want it told that the key is not there", st.Reason, st.SerialNumber, st.LastError)
		return ""
	}
	return st.Reason + "; " + st.LastError.Message + "; " + st.LastError.Hint
}
