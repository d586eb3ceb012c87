//go:build boottest

package boottest

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"lwa-agent/agent"
)

// crashLoop kills the agent each time it runs, more often than systemd's default
// would start it again. It must never be given up, and Amazon must not notice.
func (d *device) crashLoop() string {
	d.t.Helper()
	const crashes = 20
	dropIn := "/run/systemd/system/lwa-agent.service.d/quick.conf"
	d.write(dropIn, "[Service]\nRestartSec=100ms\n")
	d.must("systemctl", "daemon-reload")
	began := d.restarts()
	harm := d.unharmed(func() {
		for n := range crashes {
			d.await(20*time.Second, "the agent to run again", func() (bool, string) {
				state := d.property("lwa-agent", "ActiveState")
				if state == "failed" {
					d.t.Fatalf("after %d crashes systemd has given the agent up", n)
				}
				return state == "active" && d.restarts() >= began+n, "it is " + state
			})
			d.must("systemctl", "kill", "--signal=KILL", "lwa-agent")
		}
	})
	if n := d.restarts() - began; n < crashes {
		d.t.Errorf("it was started %d times for %d crashes", n, crashes)
	}
	if err := os.Remove(d.path(dropIn)); err != nil {
		d.t.Fatal(err)
	}
	d.must("systemctl", "daemon-reload")
	return fmt.Sprintf("%d crashes, %s", crashes, harm)
}

func (d *device) restarts() int {
	d.t.Helper()
	n, err := strconv.Atoi(d.property("lwa-agent", "NRestarts"))
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// upgradeWhileLinking installs the package again while a person has signed in and
// not yet brought the code: the offer must be the same, and the code good.
func (d *device) upgradeWhileLinking() (code string) {
	d.t.Helper()
	before := d.awaitStatus(20*time.Second, "a link to be offered", offered)
	_, code = d.allow()
	pid := d.property("lwa-agent", "MainPID")
	d.must("dpkg", "-i", "/var/tmp/again.deb")
	after := d.awaitStatus(30*time.Second, "the link to be offered by another process", func(s agent.Status) bool {
		return offered(s) && d.property("lwa-agent", "MainPID") != pid
	})
	if after.AuthorizeURL != before.AuthorizeURL {
		d.t.Error("the upgrade changed the QR code under the person who has scanned it")
	}
	return code
}
