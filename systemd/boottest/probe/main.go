// Probe tries what a sandbox is to forbid and prints a line for each attempt:
// its name, "yes" or "no", and why not. The tests of whole machines run it in the
// sandboxes of both units, and once without any: what fails there as well says
// nothing about a sandbox.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	for _, try := range []struct {
		name string
		do   func() error
	}{
		{"events.sock", connect("/run/lwa-agent/events.sock")},
		{"agent.sock", connect("/run/lwa-agent/agent.sock")},
		{"token.sock", connect("/run/lwa-agent/token.sock")},
		{"token file", open("/run/lwa-agent/access_token", os.O_RDONLY)},
		{"state directory", list("/var/lib/lwa-agent")},
		{"drop directory", list("/var/spool/lwa-agent")},
		{"client secret's file", open("/etc/credstore/lwa-agent.client_secret", os.O_RDONLY)},
		{"homes", list("/home/alice")},
		{"write /etc", create("/etc")},
		{"write /usr", create("/usr")},
		{"foreign device", open("/dev/foreign", os.O_RDWR)},
		{"kernel setting", open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY)},
		{"other processes", list("/proc/1")},
		{"network interface", networkInterface},
		{"internet socket", socket(unix.AF_INET, unix.SOCK_STREAM)},
		{"netlink socket", socket(unix.AF_NETLINK, unix.SOCK_RAW)},
		{"clock state", clockState},
		{"chown", chown},
		{"set-user-ID", setUserID},
		{"code in memory", writableCode},
		{"mount", mount},
		{"namespace", func() error { return unix.Unshare(unix.CLONE_NEWIPC) }},
	} {
		if err := try.do(); err != nil {
			fmt.Printf("%s: no (%v)\n", try.name, err)
		} else {
			fmt.Printf("%s: yes\n", try.name)
		}
	}
}

func connect(path string) func() error {
	return func() error {
		c, err := new(net.Dialer).DialContext(context.Background(), "unix", path)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

func open(path string, flags int) func() error {
	return func() error {
		f, err := os.OpenFile(path, flags, 0)
		if err != nil {
			return err
		}
		return f.Close()
	}
}

func list(path string) func() error {
	return func() error {
		_, err := os.ReadDir(path)
		return err
	}
}

func create(directory string) func() error {
	return func() error {
		f, err := os.CreateTemp(directory, "probe")
		if err != nil {
			return err
		}
		f.Close()
		return os.Remove(f.Name())
	}
}

// inScratch runs do with a new file in the private /tmp.
func inScratch(do func(path string) error) error {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return do(path)
}

// chown gives a file to the group that both units belong to.
func chown() error {
	group, err := user.LookupGroup("lwa-agent-display")
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	return inScratch(func(path string) error { return os.Chown(path, -1, gid) })
}

func setUserID() error {
	return inScratch(func(path string) error { return os.Chmod(path, 0o700|os.ModeSetuid) })
}

// networkInterface looks for the machine's: any namespace has a loopback, and
// some kernels put tunnels in, too.
func networkInterface() error {
	table, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(table)) {
		if name, _, _ := strings.Cut(strings.TrimSpace(line), ":"); name == "up0" || name == "eth0" {
			return nil
		}
	}
	return fmt.Errorf("there is neither up0 nor eth0")
}

func socket(family, kind int) func() error {
	return func() error {
		fd, err := unix.Socket(family, kind, 0)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
}

// clockState asks only.
func clockState() error {
	_, err := unix.Adjtimex(&unix.Timex{})
	return err
}

func writableCode() error {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	return unix.Munmap(page)
}

func mount() error {
	if err := unix.Mount("probe", "/mnt", "tmpfs", 0, ""); err != nil {
		return err
	}
	return unix.Unmount("/mnt", 0)
}
