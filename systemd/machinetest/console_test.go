//go:build machinetest

package machinetest

import (
	"fmt"
	"time"

	"lwa-agent/agent"
)

const console = "/dev/tty1"

// onConsole has the display process own the console, as the drop-in's own text
// says.
func (d *device) onConsole() string {
	d.t.Helper()
	d.must("sh", "-c", "mkdir -p ${0%/*} && cp "+example+" $0 && systemctl daemon-reload", dropIn)
	d.reconfigure(settings{method: agent.MethodCode, displays: []string{"terminal " + console}})
	link := d.offer()
	d.awaitCode("console-1280x800", link)
	return fmt.Sprintf("%d bytes, %s", len(link), d.shows(console))
}

// consoleIsBack takes the screen back as an administrator does who reads the
// drop-in's text, and logs in at the keyboard.
func (d *device) consoleIsBack() string {
	d.t.Helper()
	d.kill()
	d.blank("console-killed")
	d.must("systemctl", "restart", "lwa-agent-display") // "start" would wait for RestartSec=
	d.awaitCode("console-again", d.offer())
	d.must("systemctl", "stop", "lwa-agent-display")
	d.noCode("console-stopped")
	d.must("systemctl", "start", "getty@tty1")
	d.logIn("console")
	d.must("systemctl", "start", "lwa-agent-display")
	d.awaitCode("console-again", d.offer())
	return ""
}

// kill is kill -9 of the display process. systemd waits before it starts
// another, which is the time to look at what was left.
func (d *device) kill() {
	d.t.Helper()
	d.must("systemctl", "kill", "--signal=KILL", "lwa-agent-display")
	d.await(30*time.Second, "systemd to notice", func() (bool, string) {
		state := d.property("lwa-agent-display", "SubState")
		return state == "auto-restart", "the unit is " + state
	})
}

// logIn logs in at the keyboard, types, and leaves again.
func (d *device) logIn(name string) {
	d.t.Helper()
	d.awaitText(name+"-login", prompt)
	d.keys("root")
	d.awaitText(name+"-shell", "root@device:~#")
	d.keys("touch /run/typed")
	d.await(30*time.Second, "what was typed", func() (bool, string) {
		_, err := d.run("rm", "/run/typed")
		d.shot(name + "-typed")
		return err == nil, "the screen shows\n" + d.text(name+"-typed")
	})
	d.keys("exit")
}

// prompt is what a console is for.
const prompt = "device login:"

// withoutHalfBlocks changes the font while the display draws, as a script at
// boot does.
func (d *device) withoutHalfBlocks() string {
	d.t.Helper()
	before := d.letters
	d.must("setfont", "-C", console, "-O", "/run/font")
	d.must("setfont", "-C", console, debianFont)
	d.learnLetters(debianFont)
	d.awaitText("font-text", "127.0.0.1:8080/ap/oa?")
	d.onlyLetters("font-text")
	says := d.shows(console)

	// A code pair's URL is so short that two spaces make a module.
	d.reconfigure(settings{method: agent.MethodCBL, displays: []string{"terminal " + console}})
	d.awaitCode("font-code", d.offer())
	d.onlyLetters("font-code")
	says += "; and with a code pair: " + d.shows(console)

	d.must("setfont", "-C", console, "/run/font")
	d.letters = before
	return says
}
