//go:build machinetest

package machinetest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"lwa-agent/systemd/debiantest"
)

// amazonAddress is Amazon as the machine's programs see it: plain http, which is
// allowed for loopback only. systemd-socket-proxyd carries it to the network
// card, behind which QEMU hands it to the test's process.
const (
	amazonAddress  = "127.0.0.1:8080"
	amazonUpstream = "10.0.2.100:80"
)

// files are what a machine gets beside Debian and our package.
var files = map[string]string{
	"etc/hostname": "device\n",
	// An id of its own. Without one this would be a first boot, in which systemd
	// enables all that it knows.
	"etc/machine-id": "6c77612d6167656e74206d616368696e\n",

	"etc/systemd/system/amazon.socket":     "[Socket]\nListenStream=" + amazonAddress + "\n[Install]\nWantedBy=sockets.target\n",
	"etc/systemd/system/amazon.service":    "[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd " + amazonUpstream + "\n",
	"etc/modules-load.d/i2c.conf":          "i2c-dev\n", // as raspi-config does
	"etc/systemd/journald.conf.d/log.conf": "[Journal]\nStorage=persistent\n",
}

// networkUnit sets a network card up whenever it is found; an emulated processor
// is busy for seconds with a daemon for that.
const networkUnit = `[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=sh -c 'ip address add 10.0.2.15/24 dev %[1]s && ip link set %[1]s up'
[Install]
WantedBy=sys-subsystem-net-devices-%[1]s.device
`

// insideUnit starts the test's hand. Killed at once, as a shutdown must not wait
// for it.
const insideUnit = `[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service
[Service]
ExecStart=/usr/local/bin/inside %s
Restart=always
KillSignal=SIGKILL
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
[Install]
WantedBy=sysinit.target
`

// install builds the package and puts it into a root directory, with what the
// test needs. People log in as root without a password, and alice is in the agent's group.
func install(t *testing.T, b board, k kernel, root string) (deb string) {
	t.Helper()
	// Only this host's own package can run its scripts here.
	native := debiantest.Package(t, debiantest.Native())
	deb = native
	debiantest.Run(t, "cp", native, filepath.Join(root, "package.deb"))
	debiantest.Run(t, "chroot", root, "dpkg", "-i", "/package.deb")
	if err := os.Remove(filepath.Join(root, "package.deb")); err != nil {
		t.Fatal(err)
	}
	debiantest.Run(t, "chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "--groups", "lwa-agent", "alice")
	debiantest.Run(t, "chroot", root, "passwd", "--delete", "root")
	for path, text := range files {
		put(t, filepath.Join(root, path), text)
	}
	put(t, filepath.Join(root, "etc/systemd/system/inside.service"), fmt.Sprintf(insideUnit, b.control))
	put(t, filepath.Join(root, "etc/systemd/system/network.service"), fmt.Sprintf(networkUnit, b.network))
	debiantest.Run(t, "chroot", root, "systemctl", "enable", "inside.service", "amazon.socket", "network.service")
	// Care for LVM snapshots, which this machine has none of: seconds, too.
	debiantest.Run(t, "chroot", root, "systemctl", "mask", "e2scrub_reap.service")
	if b.debian != debiantest.Native() {
		deb = debiantest.Package(t, b.debian)
		translate(t, b.debian, root, deb)
	}
	debiantest.Build(t, b.goarch, "./inside", filepath.Join(root, "usr/local/bin/inside"))
	k.installModules(t, b, root)
	return deb
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// makeDisk makes an ext4 file system of a root directory, without mounting one.
// Its size is a power of two, as SD cards need.
func makeDisk(t *testing.T, root, image string) {
	t.Helper()
	put(t, image, "")
	if err := os.Truncate(image, 512<<20); err != nil {
		t.Fatal(err)
	}
	debiantest.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-d", root, image)
}
