//go:build boottest

package boottest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
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
