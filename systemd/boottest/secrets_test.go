//go:build boottest

package boottest

import (
	"fmt"
	"net/url"
	"strings"
)

// nothingLeaked looks for every secret of the story where others may look.
func (d *device) nothingLeaked() string {
	d.t.Helper()
	for _, r := range d.secrets {
		if u, err := url.Parse(r); err == nil && u.Query().Get("state") != "" {
			d.secrets = append(d.secrets, u.Query().Get("state"))
		}
	}
	secrets := append(d.secrets, "Atza|", "Atzr|")
	places := map[string]string{"the journal": d.must("journalctl", "--no-pager", "--all", "-o", "export")}
	for _, unit := range []string{"lwa-agent", "lwa-agent-display"} {
		pid := d.property(unit, "MainPID")
		places[unit+"'s arguments"] = d.must("cat", "/proc/"+pid+"/cmdline")
		places[unit+"'s environment"] = d.must("cat", "/proc/"+pid+"/environ")
		places[unit+" as systemctl shows it"] = d.must("systemctl", "show", unit)
	}
	places["the status"] = d.mustAs("alice", "lwa-agent status; lwa-agent status --json")
	for place, text := range places {
		if len(text) < 10 {
			d.t.Errorf("%s cannot be searched, it is %q", place, text)
		}
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				d.t.Errorf("%s holds a secret that begins with %.5q, after %q", place, secret, text[max(0, i-200):i])
			}
		}
	}
	if mode := d.must("stat", "-c", "%a %U", "/var/lib/lwa-agent"); mode != "700 lwa-agent" {
		d.t.Errorf("the state directory is %s, want 700 lwa-agent", mode)
	}
	if open := d.must("find", "/var/lib/lwa-agent", "-type", "f", "-perm", "/077"); open != "" {
		d.t.Errorf("others may read %s", open)
	}
	return fmt.Sprintf("%d secrets, %d KiB of journal", len(secrets), len(places["the journal"])>>10)
}
