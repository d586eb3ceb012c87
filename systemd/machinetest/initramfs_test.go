//go:build machinetest

package machinetest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// initScript finds the disk and hands over to its systemd.
const initScript = `#!/busybox sh
/busybox mount -t devtmpfs dev /dev
/busybox mount -t proc proc /proc
exec >/dev/console 2>&1
for module in /modules/*; do /busybox insmod $module || echo "insmod $module failed"; done
tries=0
while [ ! -b %[1]s ] && [ $tries -lt 600 ]; do /busybox sleep 0.1; tries=$((tries + 1)); done
/busybox mount -t ext4 %[1]s /root || { echo "no root file system on %[1]s"; exec /busybox sh; }
/busybox umount /proc
/busybox mount --move /dev /root/dev
exec /busybox switch_root /root /sbin/init
`

// initramfs writes what the kernel starts from: busybox, the modules for the
// disk, and a script.
func initramfs(t *testing.T, b board, k kernel, path string) {
	t.Helper()
	writeInitramfs(t, path, []string{"dev", "proc", "root"}, map[string][]byte{
		"busybox": read(t, busybox(t, b.debian)),
		"init":    fmt.Appendf(nil, initScript, b.root),
	}, k.withDependencies(t, b.early))
}

func writeInitramfs(t *testing.T, path string, dirs []string, programs map[string][]byte, modules []string) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{out: out}
	for _, dir := range append(dirs, "modules") {
		a.add(dir, 0o40755, nil)
	}
	for name, program := range programs {
		a.add(name, 0o100755, program)
	}
	for i, file := range modules {
		// The shell sorts by name; the order is that of the dependencies.
		a.add(fmt.Sprintf("modules/%02d-%s", i, filepath.Base(file)), 0o100644, read(t, file))
	}
	a.add("TRAILER!!!", 0, nil)
	if a.err != nil {
		t.Fatal(a.err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// An archive is a cpio one in the format "newc", the only one that Linux takes
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	out  io.Writer
	made int
	err  error
}

func (a *archive) add(name string, mode int, content []byte) {
	if a.err != nil {
		return
	}
	a.made++
	// inode, mode, uid, gid, links, mtime, size, four device numbers, length of
	// the name, checksum: 8 hexadecimal digits each.
	header := "070701" + fmt.Sprintf(strings.Repeat("%08X", 13), a.made, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	// Name and content both end at a multiple of four.
	pad := func(n int) string { return strings.Repeat("\x00", (4-n%4)%4) }
	name += "\x00"
	_, a.err = io.WriteString(a.out, header+name+pad(len(header)+len(name))+string(content)+pad(len(content)))
}
