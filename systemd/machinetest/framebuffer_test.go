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

// framebufferWithoutConsole draws where the console stays others': text comes
// over the picture, and is covered again; another console is left alone; after a
// kill, and after a stop, the text is back that was there.
func (d *device) framebufferWithoutConsole() string {
	d.t.Helper()
	const wrote = "What somebody wrote."
	d.must("mv", dropIn, dropIn+".off")
	d.must("systemctl", "daemon-reload")
	d.must("systemctl", "restart", "lwa-agent-display")
	link := d.offer()
	d.awaitCode("framebuffer-shared", link)
	d.write(console, "\x1b[H\x1b[2J\x1b[?25h"+wrote+"\r\n")
	d.awaitCode("framebuffer-shared-written-over", link)
	says := d.shows(framebuffer)

	d.must("chvt", "2")
	d.await(30*time.Second, "the other console without the code", func() (bool, string) {
		_, path := d.shot("framebuffer-shared-away")
		read, err := zbar(d.t, path)
		return err != nil, fmt.Sprintf("it shows the code of %q, and nobody can log in there", read)
	})
	d.must("chvt", "1")
	d.awaitCode("framebuffer-shared-back", link)

	d.kill()
	d.noCode("framebuffer-shared-killed")
	d.awaitText("framebuffer-shared-killed", wrote)
	d.must("systemctl", "restart", "lwa-agent-display")
	d.awaitCode("framebuffer-shared-again", d.offer())
	d.must("systemctl", "stop", "lwa-agent-display")
	d.noCode("framebuffer-shared-stopped")
	d.awaitText("framebuffer-shared-stopped", wrote)

	d.must("mv", dropIn+".off", dropIn)
	d.must("systemctl", "daemon-reload")
	d.must("systemctl", "start", "lwa-agent-display")
	return fmt.Sprintf("%s; after kill -9, and after a stop: %q can be read", says, wrote)
}
