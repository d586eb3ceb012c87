//go:build machinetest

package machinetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lwa-agent/systemd/debiantest"
)

// A kernel is Debian's for a board, unpacked.
type kernel struct {
	dir     string // what the package holds
	release string // as uname -r says
}

// newestKernel loads the newest kernel of Debian for a board, 70 MB, unless it is
// there from an earlier run. It is not installed: this host would get a boot
// loader's hooks to run.
func newestKernel(t *testing.T, b board) kernel {
	t.Helper()
	from := aptFor(t, b.debian)
	name := from.field("Depends:", "depends", b.kernel)
	version := from.field("Candidate:", "policy", name)
	k := kernel{release: strings.TrimPrefix(name, "linux-image-")}
	prefix := "kernel-" + b.debian + "-"
	kept := prefix + version
	k.dir = debiantest.Once(t, kept, func(dir string) {
		debiantest.Run(t, "dpkg-deb", "--extract", from.download(name + "=" + version)[0], dir)
		debiantest.Run(t, "depmod", "--basedir", dir, k.release)
	})
	// Those of before are of no use any more, and 400 MB each.
	old, err := filepath.Glob(filepath.Join(debiantest.Cache(t), prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range old {
		if path != k.dir {
			os.RemoveAll(path)
		}
	}
	return k
}

func (k kernel) image() string { return filepath.Join(k.dir, "boot", "vmlinuz-"+k.release) }

// withDependencies returns the files of modules and of what they depend on, in
// the order in which they can be loaded.
func (k kernel) withDependencies(t *testing.T, modules []string) []string {
	t.Helper()
	var files []string
	for _, m := range modules {
		for line := range strings.Lines(debiantest.Run(t, "modprobe", "--dirname", k.dir, "--set-version", k.release, "--show-depends", m)) {
			// Otherwise "builtin", which needs nothing.
			if f := strings.Fields(line); len(f) >= 2 && f[0] == "insmod" && !slices.Contains(files, f[1]) {
				files = append(files, f[1])
			}
		}
	}
	return files
}

// installModules puts what a board may need on its disk, where udev and modprobe
// look for it.
func (k kernel) installModules(t *testing.T, b board, root string) {
	t.Helper()
	from := filepath.Join(k.dir, "lib/modules", k.release)
	to := filepath.Join(root, "usr/lib/modules", k.release)
	copyFile := func(path string) {
		target := filepath.Join(to, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(from, path))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range []string{"modules.builtin", "modules.builtin.modinfo", "modules.order"} {
		copyFile(list)
	}
	for _, file := range k.withDependencies(t, append(slices.Clone(b.early), b.modules...)) {
		path, err := filepath.Rel(from, file)
		if err != nil {
			t.Fatal(err)
		}
		copyFile(path)
	}
	debiantest.Run(t, "depmod", "--basedir", root, k.release)
}
