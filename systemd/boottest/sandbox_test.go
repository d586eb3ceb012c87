//go:build boottest

package boottest

import (
	"os"
	"syscall"

	"lwa-agent/systemd/debiantest"
)

// sandboxes has a probe try what the units are forbidden.
func (d *device) sandboxes() string {
	d.t.Helper()
	d.mknod()
	return debiantest.Sandboxes(d.t, func(path string) string { return d.must("cat", path) }, d.unit)
}

// mknod makes a device that neither unit is allowed: /dev/fuse, which opens
// without any right and does nothing.
func (d *device) mknod() {
	d.t.Helper()
	path := d.path("/dev/foreign")
	if err := syscall.Mknod(path, syscall.S_IFCHR|0o666, 10<<8|229); err != nil && !os.IsExist(err) {
		d.t.Fatal(err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		d.t.Fatal(err)
	}
}
