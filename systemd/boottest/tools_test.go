//go:build boottest

package boottest

// tools are what the test runs on the host, with the Debian package of each.
var tools = map[string]string{
	"systemd-nspawn": "systemd-container",
	"mmdebstrap":     "mmdebstrap",
	"zbarimg":        "zbar-tools",
	"nsenter":        "util-linux",
	"dpkg":           "dpkg",
	"git":            "git",
}
