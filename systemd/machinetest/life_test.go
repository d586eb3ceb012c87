//go:build machinetest

package machinetest

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/systemd/debiantest"
)

const tokenFile = "/run/lwa-agent/access_token"

// TestLifeOfAMachine is what a device goes through in years, in one story: each
// step goes on where the last one ended.
func TestLifeOfAMachine(t *testing.T) {
	debiantest.NeedRoot(t, tools)
	s := debiantest.Tell(t, os.Stdout)
	pc := pc()
	pc.modules = append(pc.modules, "fuse")
	set := settings{method: agent.MethodCode, more: fmt.Sprintf("\n[[token_file]]\npath = %q\nmode = \"0640\"\n", tokenFile)}
	d := build(t, s, pc, set, func(root string) {
		debiantest.Run(t, "chroot", root, "systemctl", "disable", "amazon.socket")
		debiantest.Build(t, pc.goarch, debiantest.Probe, filepath.Join(root, debiantest.ProbePath))
		put(t, filepath.Join(root, "etc/modules-load.d/fuse.conf"), "fuse\n")
		// By which systemd would make /dev/fuse before, with a kmod that is not there.
		debiantest.Run(t, "sh", "-c", "rm "+root+"/usr/lib/modules/*/modules.devname")
		put(t, filepath.Join(root, "etc/sysctl.d/core.conf"), "kernel.core_pattern = "+coreDumps+"/core.%e.%p\n")
		debiantest.Run(t, "install", "--directory", "--mode=1777", filepath.Join(root, coreDumps))
	})
	d.secrets = append(d.secrets, lwatest.WebClientSecret)
	power := pc.screen

	s.Step("it boots for the first time, without a network, and with a clock of 1970", func() string {
		d.powerOn(append(power, "-rtc", "base=1970-01-01")...)
		d.cable(false)
		d.awaitBoot()
		return d.wellBooted() + ", it believes it is " + d.must("date", "+%F")
	})
	s.Step("its screen shows the link; alice scans, signs in, and drops the address: kept", func() string {
		link := d.offer()
		d.awaitCode("first-link", link)
		d.drop("cp", d.allow(link))
		st := d.awaitStatus(time.Minute, "the agent to notice that there is no network", func(s agent.Status) bool { return s.LastError != nil })
		if n := d.amazon.Count(lwatest.Exchange); n != 0 {
			t.Errorf("%d codes reached Amazon without a network", n)
		}
		return st.LastError.Message
	})
	s.Step("the network comes: linked", func() string {
		d.cable(true)
		d.must("systemctl", "enable", "--now", "amazon.socket")
		st := d.awaitLinked()
		d.nothingLeftInDrop()
		return st.Account
	})
	s.Step("it reboots: still linked, after one refresh", func() string {
		before := d.amazon.Count()
		d.reboot()
		says := d.stillLinked()
		if n := d.amazon.Count() - before; n != 1 {
			t.Errorf("%d requests to Amazon for a reboot, want one refresh", n)
		}
		return says
	})
	s.Step("the sandboxes hold under a kernel of their own", d.sandboxes)
	s.Step("the clock jumps, back to 1970 and years ahead", d.clockJumps)
	s.Step("the power is cut, and comes back in 2038: still linked", func() string {
		d.cutPower()
		d.powerOn(append(power, "-rtc", "base=2038-01-20T00:00:00")...)
		d.awaitBoot()
		return d.stillLinked() + ", it believes it is " + d.must("date", "+%F")
	})
	s.Step("it crashes again and again", d.crashLoop)
	s.Step("it hangs in the middle of a relink", d.hangs)
	s.Step("its memory runs out", d.outOfMemory)
	s.Step("alice removes the app at Amazon: unlinked, and the link is on the screen", d.appRemoved)
	s.Step("a second link, by a file that is moved in", func() string {
		old := d.amazon.NewestToken()
		d.drop("mv", d.allow(d.offer()))
		st := d.awaitLinked()
		d.nothingLeftInDrop()
		if d.wantToken(); d.amazon.NewestToken() == old {
			t.Error("it is linked with the token of before")
		}
		return st.Account
	})
	s.Step("no secret in journal, arguments, environments, status, memory files, core dumps", d.nothingLeaked)
	s.Step("switched off", func() string { d.powerOff(); return "" })
	s.Step("no secret on its disk, but in the store and in the credential", d.nothingLeakedOnDisk)
	s.Step("nothing against the protocol", d.nothingToComplain)
}

// cable plugs the network in, or pulls it out.
func (d *device) cable(in bool) {
	d.t.Helper()
	if err := d.monitor.do("set_link", map[string]any{"name": "net", "up": in}); err != nil {
		d.t.Fatal(err)
	}
}

// alice runs a shell command as her, who is in the agent's group.
func (d *device) alice(command, input string) (string, error) {
	a, err := d.control.do(time.Minute, input, "runuser", "-u", "alice", "--", "sh", "-c", "cd /home/alice && "+command)
	return strings.TrimSpace(string(a.Output)), err
}

func (d *device) mustAlice(command, input string) string {
	d.t.Helper()
	out, err := d.alice(command, input)
	if err != nil {
		d.t.Fatalf("alice, %s: %v\n%s", command, err, out)
	}
	return out
}

// allow plays alice for the link that is offered: what she sees at the end in
// the browser is a secret from then on.
func (d *device) allow(link string) (redirect string) {
	d.t.Helper()
	redirect, err := d.amazon.Allow(link)
	if err != nil {
		d.t.Fatalf("alice at Amazon: %v", err)
	}
	u, err := url.Parse(redirect)
	if err != nil {
		d.t.Fatal(err)
	}
	d.secrets = append(d.secrets, u.Query().Get("code"), u.Query().Get("state"))
	return redirect
}

// drop has alice bring the address of her browser, by cp or mv.
func (d *device) drop(how, text string) {
	d.t.Helper()
	d.mustAlice("umask 022 && cat >address && "+how+" address /var/spool/lwa-agent/ && rm -f address", text+"\n")
}

func (d *device) awaitLinked() agent.Status {
	d.t.Helper()
	return d.awaitStatus(2*time.Minute, "the device to be linked", func(s agent.Status) bool {
		return s.State == agent.Linked && s.AuthorizeURL == "" && s.Account != "" && s.ExpiresAt != nil
	})
}

// nothingLeftInDrop: "linked" is said after the file with the code was removed.
func (d *device) nothingLeftInDrop() {
	d.t.Helper()
	if left := d.mustAlice("ls -A /var/spool/lwa-agent", ""); left != "RESULT.txt" {
		d.t.Errorf("in the drop directory are %q; want RESULT.txt alone, since a code does not lie about", left)
	}
}

// wantToken checks that alice gets the newest access token, by its hash, so that
// the token itself is on nobody's screen.
func (d *device) wantToken() {
	d.t.Helper()
	got := strings.Fields(d.mustAlice(`lwa-agent token | tr -d "\n" | sha256sum`, ""))[0]
	if want := d.amazon.NewestToken(); want == "" || !strings.HasPrefix(got, want) {
		d.t.Errorf("a token with SHA-256 %q was handed out, Amazon's newest begins with %q", got, want)
	}
}

// sandboxes has a probe try what the units are forbidden.
func (d *device) sandboxes() string {
	d.t.Helper()
	// /dev/fuse, which opens without any right and does nothing: neither unit has it.
	d.must("mknod", "--mode=666", "/dev/foreign", "c", "10", "229")
	return debiantest.Sandboxes(d.t, func(path string) string { return d.must("cat", path) }, func(name, service string) string {
		output := "/run/" + name + ".out"
		d.write("/run/systemd/system/"+name+".service", service+"\n[Service]\nType=oneshot\nStandardOutput=truncate:"+output+"\n")
		d.must("systemctl", "daemon-reload")
		if out, err := d.run("systemctl", "start", name); err != nil {
			d.t.Fatalf("start %s: %v\n%s\n%s", name, err, out, d.journal("-u", name, "-n", "20"))
		}
		return d.must("cat", output)
	})
}
