// Package systemd holds what is not Go but is started, sandboxed and installed:
// the units, the users, directories and device rules that they need, and the
// Debian package. Their tests are here, the boot test is in boottest.
package systemd

import "embed"

//go:embed *.service *.conf udev.rules
var texts embed.FS

// UnitDir is where the units are, below the root. The package says /lib, which
// on every system that is merged is the same directory; this one is searched
// on all (systemd.unit(5)).
const UnitDir = "usr/lib/systemd/system"

// A File is one that is installed with the mode 0644.
type File struct {
	Path string // below the root
	Text []byte
}

// Files returns what an image needs beside the binary and what that says of
// itself: completions and the example configuration.
func Files() []File {
	files := make([]File, 0, 10)
	for _, f := range [...][2]string{
		{UnitDir + "/lwa-agent.service", "lwa-agent.service"},
		{UnitDir + "/lwa-agent-display.service", "lwa-agent-display.service"},
		{UnitDir + "/lwa-agent-provision.service", "lwa-agent-provision.service"},
		{"usr/lib/sysusers.d/lwa-agent.conf", "sysusers.conf"},
		{"usr/lib/tmpfiles.d/lwa-agent.conf", "tmpfiles.conf"},
		{"usr/lib/udev/rules.d/60-lwa-agent.rules", "udev.rules"},
		{"usr/share/doc/lwa-agent/examples/console.conf", "console.conf"},
		{"usr/share/doc/lwa-agent/examples/state.conf", "state.conf"},
		{"usr/share/doc/lwa-agent/examples/consumer.service", "consumer.service"},
	} {
		text, _ := texts.ReadFile(f[1]) // a name that is not embedded fails a test
		files = append(files, File{f[0], text})
	}
	return files
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
		links["etc/systemd/system/"+wants+".wants/"+unit] = "/" + UnitDir + "/" + unit
	}
	return links
}
