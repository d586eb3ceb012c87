//go:build boottest

package boottest

import "lwa-agent/systemd/debiantest"

// sandboxes has a probe try what the units are forbidden.
func (d *device) sandboxes() string {
	d.t.Helper()
	d.mknod()
	return debiantest.Sandboxes(d.t, func(path string) string { return d.must("cat", path) }, d.unit)
}
