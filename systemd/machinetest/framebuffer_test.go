//go:build machinetest

package machinetest

import (
	"fmt"
	"time"

	"lwa-agent/agent"
)

const framebuffer = "/dev/fb0"

// onDefaultScreen is the package as it comes: no [[display]] and no drop-in, so
// a login prompt runs on the same screen, and must be there when the display is
// not.
func (d *device) onDefaultScreen() string {
	d.t.Helper()
	link := d.offer()
	d.awaitCode("default", link)
	st := d.awaitStatus(time.Minute, "the display to report", func(s agent.Status) bool {
		return len(s.Displays) == 1 && s.Displays[0].Shows != ""
	})
	d.write(console, "\x1b[H\x1b[2J\x1b[?25h"+"What somebody wrote.\r\n"+prompt+" ")
	d.awaitCode("default-written-over", link)

	d.kill()
	d.noCode("default-killed")
	d.logIn("default")
	return fmt.Sprintf("%s %s shows %q; after kill -9 somebody logs in", st.Displays[0].Driver, st.Displays[0].Device, st.Displays[0].Shows)
}

// onFramebuffer draws pixels in place of the console's text, while others write
// there.
func (d *device) onFramebuffer(name string) string {
	d.t.Helper()
	d.reconfigure(settings{method: agent.MethodCode, displays: []string{"framebuffer " + framebuffer}})
	link := d.offer()
	d.awaitCode(name, link)
	says := d.shows(framebuffer)

	// Which the kernel or a login prompt may do at any time.
	d.write(console, "\x1b[H\x1b[2J\x1b[?25h"+"What somebody wrote.\r\n")
	d.awaitCode(name+"-written-over", link)
	return says
}

// framebufferGivenBack kills the process that drew, and looks whether people can
// use the console.
func (d *device) framebufferGivenBack() string {
	d.t.Helper()
	d.kill()
	d.noCode("framebuffer-killed")
	d.must("systemctl", "start", "getty@tty1")
	d.awaitText("framebuffer-login-after-kill", prompt)

	// Which ends the login prompt, and takes the console from it.
	d.must("systemctl", "restart", "lwa-agent-display")
	d.awaitCode("framebuffer-again", d.offer())
	d.must("systemctl", "stop", "lwa-agent-display")
	d.noCode("framebuffer-stopped")
	d.must("systemctl", "start", "getty@tty1")
	d.awaitText("framebuffer-login-after-stop", prompt)
	return fmt.Sprintf("after kill -9, and after a stop: %q can be read", prompt)
}
