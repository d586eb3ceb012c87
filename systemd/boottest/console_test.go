//go:build boottest

package boottest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lwa-agent/agent"
)

// console is a virtual terminal of the host's kernel, far from those that
// anybody looks at, lent to the machine. Where the kernel has none there is
// nothing to draw on.
const console = "/dev/tty50"

func hasConsole() bool {
	f, err := os.OpenFile(console, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// onConsole installs the drop-in as its own text says, but for the number of
// the console, lets the display draw there, and takes it away again.
func (d *device) onConsole() string {
	d.t.Helper()
	if !hasConsole() {
		return "NOT TRIED, this host's kernel has no virtual terminals"
	}
	const dropIn = "/etc/systemd/system/lwa-agent-display.service.d/console.conf"
	number := strings.TrimPrefix(console, "/dev/tty")
	d.keepOwner()
	example := d.must("cat", "/usr/share/doc/lwa-agent/examples/console.conf")
	d.write(dropIn, strings.ReplaceAll(example, "tty1", "tty"+number)+"\n")
	d.write("/etc/lwa-agent/config.toml", strings.NewReplacer(`"png"`, `"terminal"`, linkPicture, console).Replace(config))
	d.must("systemctl", "daemon-reload")
	d.must("systemctl", "restart", "lwa-agent-display")
	st := d.awaitStatus(20*time.Second, "the display to draw on the console", func(s agent.Status) bool {
		return len(s.Displays) == 1 && s.Displays[0].Device == console && s.Displays[0].Shows != ""
	})
	shown := d.onScreen(number)
	if !strings.Contains(shown, "127.0.0.1:8080/ap/oa") {
		d.t.Errorf("the console shows neither the address nor a QR code of it, but\n%s", shown)
	}

	// As a driver leaves it that crashed while it drew on the framebuffer.
	consoleMode(d, graphics)
	d.must("systemctl", "stop", "lwa-agent-display")
	if consoleMode(d, -1) != text {
		d.t.Error("the console is left without text; the login prompt would be invisible")
	}
	// The mode is a choice of whoever built systemd: Debian 12's lets group tty
	// write, Debian 13's does not.
	if owner := d.must("stat", "-c", "%a %U:%G", console); owner != "620 root:tty" && owner != "600 root:tty" {
		d.t.Errorf("the console is left as %s; it is to belong to root again, as a login expects", owner)
	}
	d.must("rm", dropIn)
	d.write("/etc/lwa-agent/config.toml", config)
	d.must("systemctl", "daemon-reload")
	d.must("systemctl", "start", "lwa-agent-display")
	d.awaitPicture(st.AuthorizeURL)
	return fmt.Sprintf("it shows %q, and is given back", st.Displays[0].Shows)
}

// onScreen reads the characters of a virtual terminal from the kernel.
func (d *device) onScreen(number string) string {
	d.t.Helper()
	cells, err := os.ReadFile("/dev/vcs" + number)
	if err != nil {
		d.t.Fatal(err)
	}
	var lines strings.Builder
	for row := range slices.Chunk(cells, 80) {
		lines.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return lines.String()
}

// Modes of a console; ioctl_console(2).
const (
	text     = 0 // KD_TEXT
	graphics = 1 // KD_GRAPHICS: no text appears
)

// consoleMode sets a mode, unless it is negative, and returns the one in force.
func consoleMode(d *device, set int) int {
	d.t.Helper()
	const setMode, getMode = 0x4b3a, 0x4b3b // KDSETMODE, KDGETMODE
	f, err := os.OpenFile(console, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if set >= 0 {
		if err := unix.IoctlSetInt(int(f.Fd()), setMode, set); err != nil {
			d.t.Fatal(err)
		}
	}
	var mode int32
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), getMode, uintptr(unsafe.Pointer(&mode))); errno != 0 {
		d.t.Fatal(errno)
	}
	return int(mode)
}

// keepOwner gives the host its console back as it was.
func (d *device) keepOwner() {
	d.t.Helper()
	var before unix.Stat_t
	if err := unix.Stat(console, &before); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := errors.Join(os.Chown(console, int(before.Uid), int(before.Gid)), os.Chmod(console, os.FileMode(before.Mode&0o777))); err != nil {
			d.t.Error(err)
		}
	})
}
