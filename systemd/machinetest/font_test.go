//go:build machinetest

package machinetest

import (
	"path/filepath"
	"testing"

	"lwa-agent/systemd/debiantest"
)

// debianFont is the one that Debian's console-setup chooses for Western
// languages. Like two thirds of its fonts it has no half blocks.
const debianFont = "Lat15-Fixed16"

// installFont puts that font into a root directory, out of a package that is
// not installed: it would ask for a keyboard.
func installFont(t *testing.T, root string) {
	t.Helper()
	const name = "usr/share/consolefonts/" + debianFont + ".psf.gz"
	dir := debiantest.Once(t, "console-setup-linux-"+debiantest.Suite(), func(dir string) {
		debiantest.Run(t, "dpkg-deb", "--extract", aptFor(t, debiantest.Native()).download("console-setup-linux")[0], dir)
	})
	put(t, filepath.Join(root, name), string(read(t, filepath.Join(dir, name))))
}
