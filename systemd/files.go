// Package systemd holds what is not Go but is started, sandboxed and installed:
// the units, the users, directories and device rules that they need, and the
// Debian package. Their tests are here, the boot test is in boottest.
package systemd

import _ "embed" // for the files; an embed.FS would cost its code

//go:embed lwa-agent.service
var agentUnit string

//go:embed lwa-agent-display.service
var displayUnit string

//go:embed lwa-agent-provision.service
var provisionUnit string

//go:embed sysusers.conf
var sysusers string

//go:embed tmpfiles.conf
var tmpfiles string

//go:embed udev.rules
var udevRules string

//go:embed console.conf
var consoleExample string

//go:embed state.conf
var stateExample string

//go:embed encrypt.conf
var encryptExample string

//go:embed consumer.service
var consumerExample string

//go:embed examples/alerts.yml
var alertsExample string

//go:embed examples/lwa-agent-linked.service
var linkedExample string

//go:embed examples/lwa-agent-metrics.service
var metricsExample string

//go:embed examples/lwa-agent-metrics.timer
var metricsTimerExample string

//go:embed examples/lwa-agent-on-change.service
var onChangeExample string

//go:embed examples/lwa-agent-on-token.path
var onTokenPathExample string

//go:embed examples/lwa-agent-on-token.service
var onTokenExample string

//go:embed examples/lwa-agent-store-key.service
var storeKeyExample string

// unitDir is where the units are, below the root. The package says /lib, which
// on every system that is merged is the same directory; this one is searched
// on all (systemd.unit(5)).
const unitDir = "usr/lib/systemd/system"

// A File is one that is installed with the mode 0644.
type File struct {
	Path string // below the root
	Text string
}

// Files returns what an image needs beside the binary and what that says of
// itself: completions and the example configuration.
func Files() []File {
	return []File{
		{unitDir + "/lwa-agent.service", agentUnit},
		{unitDir + "/lwa-agent-display.service", displayUnit},
		{unitDir + "/lwa-agent-provision.service", provisionUnit},
		{"usr/lib/sysusers.d/lwa-agent.conf", sysusers},
		{"usr/lib/tmpfiles.d/lwa-agent.conf", tmpfiles},
		{"usr/lib/udev/rules.d/60-lwa-agent.rules", udevRules},
		{"usr/share/doc/lwa-agent/examples/console.conf", consoleExample},
		{"usr/share/doc/lwa-agent/examples/state.conf", stateExample},
		{"usr/share/doc/lwa-agent/examples/encrypt.conf", encryptExample},
		{"usr/share/doc/lwa-agent/examples/consumer.service", consumerExample},
		{"usr/share/doc/lwa-agent/examples/alerts.yml", alertsExample},
		{"usr/share/doc/lwa-agent/examples/lwa-agent-linked.service", linkedExample},
		{"usr/share/doc/lwa-agent/examples/lwa-agent-metrics.service", metricsExample},
		{"usr/share/doc/lwa-agent/examples/lwa-agent-metrics.timer", metricsTimerExample},
		{"usr/share/doc/lwa-agent/examples/lwa-agent-on-change.service", onChangeExample},
		{"usr/share/doc/lwa-agent/examples/lwa-agent-on-token.path", onTokenPathExample},
		{"usr/share/doc/lwa-agent/examples/lwa-agent-on-token.service", onTokenExample},
		{"usr/share/doc/lwa-agent/examples/lwa-agent-store-key.service", storeKeyExample},
	}
}

// Links returns the links that start the units at boot, by their path below the
// root: what "systemctl --root=DIR enable" makes of WantedBy=.
func Links() map[string]string {
	links := map[string]string{}
	for unit, wants := range map[string]string{
		"lwa-agent.service":           "multi-user.target",
		"lwa-agent-provision.service": "multi-user.target",
		"lwa-agent-display.service":   "lwa-agent.service",
	} {
		links["etc/systemd/system/"+wants+".wants/"+unit] = "/" + unitDir + "/" + unit
	}
	return links
}
