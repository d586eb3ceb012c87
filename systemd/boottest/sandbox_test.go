//go:build boottest

package boottest

import (
	"fmt"
	"strings"
)

// allowed tells what the probe may do in the sandbox of each unit, by the
// probe's names. Without a sandbox, as root, it may do all of it.
var allowed = map[string]struct{ core, display bool }{
	"events.sock":          {core: true, display: true},
	"agent.sock":           {core: true},
	"token.sock":           {core: true},
	"token file":           {core: true},
	"state directory":      {core: true},
	"drop directory":       {core: true},
	"client secret's file": {},
	"homes":                {},
	"write /etc":           {},
	"write /usr":           {},
	"foreign device":       {},
	"kernel setting":       {},
	"other processes":      {},
	"network interface":    {core: true},
	"internet socket":      {core: true},
	"netlink socket":       {core: true},
	"clock state":          {core: true},
	"chown":                {core: true},
	"set-user-ID":          {},
	"code in memory":       {},
	"mount":                {},
	"namespace":            {},
}

// sandboxes runs the probe as each of the units, as which it is told apart by
// nothing but its name, and as a unit without any sandbox: what cannot be done
// there either is not the sandbox's merit.
func (d *device) sandboxes() string {
	d.t.Helper()
	d.mknod()
	as := func(unit string) string {
		// RuntimeDirectory= would be removed at the end, with the real unit's
		// sockets in it, and what runs after the end would truncate the output.
		return d.must("cat", "/lib/systemd/system/"+unit+".service") + `
[Service]
RuntimeDirectory=
ExecStopPost=
ExecStart=
ExecStart=/usr/bin/probe
Restart=no
WatchdogSec=0
`
	}
	results := map[string]map[string]string{
		"core":      answers(d.unit("probe-core", as("lwa-agent"))),
		"display":   answers(d.unit("probe-display", as("lwa-agent-display"))),
		"unlimited": answers(d.unit("probe-unlimited", "[Service]\nExecStart=/usr/bin/probe\n")),
	}
	denials := 0
	for what, may := range allowed {
		for sandbox, want := range map[string]bool{"core": may.core, "display": may.display, "unlimited": true} {
			got, tried := results[sandbox][what]
			if !tried {
				d.t.Errorf("the probe did not try %q as %s", what, sandbox)
			} else if (got == "yes") != want {
				d.t.Errorf("%q as %s: %s; want it allowed: %v", what, sandbox, got, want)
			}
			if !want {
				denials++
			}
		}
	}
	if n := len(results["unlimited"]); n != len(allowed) {
		d.t.Errorf("the probe tried %d things, %d are expected", n, len(allowed))
	}
	return fmt.Sprintf("%d things tried, %d denials; the display sees events.sock, not agent.sock nor token.sock", len(allowed), denials)
}

// answers reads the probe's lines.
func answers(output string) map[string]string {
	a := map[string]string{}
	for line := range strings.Lines(output) {
		what, answer, _ := strings.Cut(strings.TrimSpace(line), ": ")
		a[what] = answer
	}
	return a
}
