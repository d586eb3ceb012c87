//go:build machinetest

package machinetest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/systemd/debiantest"
)

// TestBoardsKeepTheirLink is the life of a device on other processors, beginning
// with a clock that knows nothing.
func TestBoardsKeepTheirLink(t *testing.T) {
	for _, b := range []board{arm64(), raspberryPi()} {
		t.Run(b.name, func(t *testing.T) {
			debiantest.NeedRoot(t, tools)
			s := debiantest.Tell(t, os.Stdout)
			d := build(t, s, b, settings{method: agent.MethodCBL})
			power := b.screen
			if b.dtb == "" { // else it has no clock that could be set
				power = append(power, "-rtc", "base=1970-01-01")
			}
			s.Step("it boots, with a clock of 1970", func() string {
				d.powerOn(power...)
				d.awaitBoot()
				return d.wellBooted() + ", it believes it is " + d.must("date", "+%F")
			})
			t.Cleanup(func() {
				if t.Failed() {
					out, err := d.run("sh", "-c", "lwa-agent status; journalctl --no-pager -b -u lwa-agent-display -u getty@tty1; ls -l /dev/fb0 /dev/tty1")
					t.Logf("the device says (%v):\n%s", err, out)
				}
			})
			s.Step("its screen shows the link", func() string {
				shows := d.shows(framebuffer)
				d.learnLetters()
				d.awaitCode("link", d.offer())
				return shows
			})
			s.Step("alice signs in: linked", func() string { return d.link().Account })
			s.Step("the power is cut at once, and comes back: still linked", func() string {
				d.cutPower()
				d.powerOn(power...)
				d.awaitBoot()
				return d.stillLinked()
			})
			s.Step("it reboots: still linked", func() string {
				d.reboot()
				return d.stillLinked()
			})
			s.Step("switched off", func() string { d.powerOff(); return "" })
			s.Step("nothing against the protocol", d.nothingToComplain)
		})
	}
}

// stillLinked waits for a fresh token after a boot.
func (d *device) stillLinked() string {
	d.t.Helper()
	began := time.Now()
	d.awaitStatus(time.Minute, "a fresh token", func(s agent.Status) bool {
		return s.State == agent.Linked && s.ExpiresAt != nil
	})
	return fmt.Sprintf("a token %.1f s after the boot, refresh %d; %s", time.Since(began).Seconds(), d.amazon.Count(lwatest.Refresh), d.wellBooted())
}
