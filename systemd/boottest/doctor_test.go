//go:build boottest

package boottest

import (
	"strings"
	"time"

	"lwa-agent/agent"
)

// examined is the doctor on a device under a real systemd: linked, as root and as
// alice; then with faults that an administrator makes.
func (d *device) examined() string {
	d.t.Helper()
	want := func(out string, lines ...string) {
		d.t.Helper()
		for _, line := range lines {
			if !strings.Contains("\n"+out, "\n"+line) {
				d.t.Errorf("the doctor does not say %q but\n%s", line, out)
			}
		}
	}
	began := time.Now()
	well, err := d.run("lwa-agent", "doctor")
	took := time.Since(began)
	if err != nil {
		d.t.Errorf("the doctor finds a fault on a device that works: %v\n%s", err, well)
	}
	want(well, "ok       agent     linked", "ok       access    root may", "ok       state     /var/lib/lwa-agent",
		"ok       inbox     a drop into /var/spool/lwa-agent is seen at once", "ok       units     lwa-agent.service and lwa-agent-display.service run",
		"ok       sandbox   as the package has it", "ok       amazon    the token endpoint knows this client id and its secret")
	for _, secret := range append(d.secrets, "Ada Lovelace", "alice") {
		if strings.Contains(well, secret) {
			d.t.Errorf("%q is in what people paste in public:\n%s", secret, well)
		}
	}
	want(d.mustAs("alice", "lwa-agent doctor"), "ok       agent     linked", "ok       access    you are in the group lwa-agent",
		"unseen   secret    only root", "unseen   state     /var/lib/lwa-agent", "ok       inbox     a drop into")
	stranger, _ := d.as("bob", "lwa-agent doctor") // whether it is a fault is not bob's to see
	want(stranger, "unseen   agent     you may not ask", "warning  access    you are not in the group lwa-agent")

	d.must("systemctl", "stop", "lwa-agent")
	ill, err := d.run("lwa-agent", "doctor")
	if err == nil {
		d.t.Error("with the service stopped a script is told that all is well")
	}
	want(ill, "fault    agent     the agent is not running", "fault    units     lwa-agent.service is stopped")

	const drop = "/etc/systemd/system/lwa-agent.service.d/group.conf"
	d.must("mkdir", "-p", "/etc/systemd/system/lwa-agent.service.d")
	d.write(drop, "[Service]\nSupplementaryGroups=nobody-has-this\nProtectSystem=no\n")
	d.must("systemctl", "daemon-reload")
	_, _ = d.run("systemctl", "start", "lwa-agent") // it cannot
	ill, _ = d.run("lwa-agent", "doctor")
	want(ill, "fault    units     lwa-agent.service ends: a group of the unit does not exist (216/GROUP)",
		"warning  sandbox   a drop-in takes away from the sandbox of lwa-agent.service: ProtectSystem=no")
	d.must("rm", drop)
	d.must("systemctl", "daemon-reload")
	d.must("systemctl", "restart", "lwa-agent", "lwa-agent-display")
	d.awaitStatus(20*time.Second, "the device to be linked again", func(s agent.Status) bool { return linked(s) && s.ExpiresAt != nil })
	return "it took " + took.Round(time.Millisecond).String()
}
