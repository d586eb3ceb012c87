//go:build machinetest

package machinetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/systemd/debiantest"
)

// tools are what the test runs on the host, with the Debian package of each.
var tools = map[string]string{
	"qemu-system-x86_64":  "qemu-system-x86",
	"qemu-system-aarch64": "qemu-system-arm",
	"fdtput":              "device-tree-compiler",
	"modprobe":            "kmod",
	"depmod":              "kmod",
	"mke2fs":              "e2fsprogs",
	"e2fsck":              "e2fsprogs",
	"debugfs":             "e2fsprogs",
	"mmdebstrap":          "mmdebstrap",
	"zbarimg":             "zbar-tools",
	"dpkg":                "dpkg",
	"git":                 "git",
}

// TestScreensOfAMachine is one story; each step goes on where the last one ended.
func TestScreensOfAMachine(t *testing.T) {
	debiantest.NeedRoot(t, tools)
	s := debiantest.Tell(t, os.Stdout)
	d := build(t, s, pc(), settings{method: agent.MethodCode})
	s.Step("it boots, with a screen of 1280x800", func() string {
		d.powerOn(append(d.withAdapterPorts(), d.board.screen...)...)
		d.awaitBoot()
		d.shows(framebuffer)
		d.learnLetters()
		return d.wellBooted()
	})
	s.Step("the link is on the screen, which nobody has configured, over a login prompt", d.onDefaultScreen)
	s.Step("with the drop-in for a console, in letters: what zbarimg reads is the link of the status", d.onConsole)
	s.Step("kill -9, and stop: no code is left, and who logs in at the keyboard may type", d.consoleIsBack)
	s.Step("a font without half blocks: no diamonds", d.withoutHalfBlocks)
	s.Step("with the drop-in, on the framebuffer: nothing can write over it", func() string { return d.onFramebuffer("framebuffer-1280x800") })
	s.Step("kill -9, and stop: the console is back", d.framebufferGivenBack)
	s.Step("without the drop-in, on the framebuffer of a console that others use", d.framebufferWithoutConsole)
	s.Step("two OLED panels", d.oleds)

	s.Step("the power is cut; it boots with a screen of 640x480", func() string {
		d.cutPower()
		d.powerOn("-device", "VGA,xres=640,yres=480")
		d.awaitBoot()
		return d.wellBooted()
	})
	s.Step("on its framebuffer", func() string { return d.onFramebuffer("framebuffer-640x480") })
	s.Step("and on its console, with a code pair", func() string {
		d.reconfigure(settings{method: agent.MethodCBL, displays: []string{"terminal " + console}})
		d.awaitCode("console-640x480", d.offer())
		return d.shows(console)
	})
	s.Step("alice signs in: linked", func() string {
		st := d.link()
		shown := d.awaitText("console-linked", st.Account)
		d.noCode("console-linked")
		return fmt.Sprintf("the screen says %q", strings.SplitN(strings.TrimSpace(shown), "\n", 2)[0])
	})
	s.Step("switched off", func() string { d.powerOff(); return "" })
	s.Step("nothing against the protocol", d.nothingToComplain)
}

// build makes a device of a board, with the package installed and set up, and
// what else a story needs on its disk.
func build(t *testing.T, s *debiantest.Story, b board, set settings, more ...func(root string)) *device {
	t.Helper()
	var k kernel
	s.Step("Debian's newest kernel", func() string { k = newestKernel(t, b); return k.release })
	var root string
	s.Step("a plain Debian", func() string {
		root = debiantest.Root(t)
		return strings.TrimSpace(string(read(t, filepath.Join(root, "etc/debian_version"))))
	})
	d := &device{}
	s.Step("the package, built, installed, set up, and all of it on a disk", func() string {
		deb := install(t, b, k, root)
		installFont(t, root)
		configure(t, root, set)
		for _, put := range more {
			put(root)
		}
		var upstream string
		d.amazon, upstream = serveAmazon(t)
		d.machine = assemble(t, b, k, root, upstream)
		return filepath.Base(deb)
	})
	return d
}

// wellBooted is what has to be true of every boot.
func (d *device) wellBooted() string {
	d.t.Helper()
	if failed := d.must("systemctl", "--failed", "--no-legend", "--plain"); failed != "" {
		d.t.Errorf("units have failed: %s", failed)
	}
	for _, unit := range []string{"lwa-agent", "lwa-agent-display"} {
		if state := d.property(unit, "ActiveState"); state != "active" {
			d.t.Errorf("%s is %s after the boot\n%s", unit, state, d.journal("-u", unit))
		}
	}
	return fmt.Sprintf("nothing failed; STATUS %q", d.property("lwa-agent", "StatusText"))
}

// link plays the person who types the code pair's code at Amazon and presses
// Allow, and waits until the device is linked.
func (d *device) link() agent.Status {
	d.t.Helper()
	st := d.awaitStatus(time.Minute, "a code", func(s agent.Status) bool { return s.UserCode != "" })
	if err := d.amazon.AllowPair(st.UserCode); err != nil {
		d.t.Fatal(err)
	}
	return d.awaitStatus(time.Minute, "the device to be linked", func(s agent.Status) bool {
		return s.State == agent.Linked && s.Account != ""
	})
}

func (d *device) nothingToComplain() string {
	d.t.Helper()
	for _, v := range append(d.amazon.Violations(), d.amazon.CodesSentTwice()...) {
		d.t.Errorf("Amazon complains: %s", v)
	}
	return fmt.Sprintf("%d requests in all", d.amazon.Count())
}
