//go:build machinetest

package machinetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/systemd/debiantest"
)

// nativeOnly is what of a root directory holds this architecture's programs and
// nothing else.
var nativeOnly = []string{"usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64", "usr/bin", "usr/sbin"}

// translate makes a root directory, in which all is configured, one of another
// architecture: its packages are unpacked over ours of the same names. That
// takes seconds, where to run their scripts in an emulator takes a minute. What
// scripts would have linked in /usr/bin, such as awk, is missing.
func translate(t *testing.T, arch, root, deb string) {
	t.Helper()
	plain := debiantest.Plain(t)
	packages := debiantest.Once(t, filepath.Base(plain)+"-"+arch, func(dir string) {
		for _, part := range []string{"bin", "sbin", "lib"} {
			if err := os.MkdirAll(filepath.Join(dir, "usr", part), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("usr/"+part, filepath.Join(dir, part)); err != nil {
				t.Fatal(err)
			}
		}
		names := debiantest.Run(t, "dpkg-query", "--admindir", filepath.Join(plain, "var/lib/dpkg"), "--show", "--showformat", "${Package}\n")
		for _, deb := range aptFor(t, arch).download(strings.Fields(names)...) {
			unpackOver(t, deb, dir)
		}
	})
	for _, path := range nativeOnly {
		if err := os.RemoveAll(filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	debiantest.Run(t, "sh", "-c", `tar -c -C "$0" . | tar -x -C "$1" --keep-directory-symlink`, packages, root)
	unpackOver(t, deb, root)
}

// unpackOver unpacks a package into a directory whose /lib is a link.
func unpackOver(t *testing.T, deb, dir string) {
	t.Helper()
	debiantest.Run(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --keep-directory-symlink `+
		`--exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/doc/*'`, deb, dir)
}
