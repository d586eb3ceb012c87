package debiantest

import (
	"fmt"
	"strings"
	"testing"
)

// Probe is the program that tries what a sandbox is to forbid, as a package of
// Go, and where it is to be in the machine.
const (
	Probe     = "lwa-agent/systemd/boottest/probe"
	ProbePath = "/usr/bin/probe"
)

// may tells what the probe may do in the sandbox of each unit, by the probe's
// names. Without a sandbox, as root, it may do all of it.
type may struct{ core, display bool }

func allowed() map[string]may {
	return map[string]may{
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
}

// Sandboxes runs the probe as each of our units, as which it is told apart by
// nothing but its name, and as a unit without any sandbox: what cannot be done
// there either is not the sandbox's merit. text returns a file of the machine,
// and run starts a oneshot service and returns what it wrote.
func Sandboxes(t testing.TB, text func(path string) string, run func(name, service string) string) string {
	t.Helper()
	as := func(unit string) string {
		// RuntimeDirectory= would be removed at the end, with the real unit's
		// sockets in it, and what runs after the end would truncate the output.
		return text("/lib/systemd/system/"+unit+".service") + `
[Service]
RuntimeDirectory=
ExecStopPost=
ExecStart=
ExecStart=` + ProbePath + `
Restart=no
WatchdogSec=0
`
	}
	results := map[string]map[string]string{
		"core":      answers(run("probe-core", as("lwa-agent"))),
		"display":   answers(run("probe-display", as("lwa-agent-display"))),
		"unlimited": answers(run("probe-unlimited", "[Service]\nExecStart="+ProbePath+"\n")),
	}
	tried, denials := allowed(), 0
	for what, may := range tried {
		for sandbox, want := range map[string]bool{"core": may.core, "display": may.display, "unlimited": true} {
			got, was := results[sandbox][what]
			if !was {
				t.Errorf("the probe did not try %q as %s", what, sandbox)
			} else if (got == "yes") != want {
				t.Errorf("%q as %s: %s; want it allowed: %v", what, sandbox, got, want)
			}
			if !want {
				denials++
			}
		}
	}
	if n := len(results["unlimited"]); n != len(tried) {
		t.Errorf("the probe tried %d things, %d are expected", n, len(tried))
	}
	return fmt.Sprintf("%d things tried, %d denials, each allowed to a unit without a sandbox; the display sees events.sock, not agent.sock nor token.sock", len(tried), denials)
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
