package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is where the figures were taken.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Arch   string `json:"arch"`
	Disk   string `json:"disk"`   // the file system of the state directories
	Root   bool   `json:"root"`   // some figures need it
	Commit string `json:"commit"` // of the agent
	Load   string `json:"load"`   // of the machine before, as /proc/loadavg has it; others disturb
}

func thisMachine(diskDir, commit string) machine {
	m := machine{
		CPU: "unknown processor", Cores: runtime.NumCPU(), Go: runtime.Version(), Arch: runtime.GOARCH,
		Disk: fileSystem(diskDir), Root: os.Geteuid() == 0, Commit: commit,
	}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = processor(string(text), m.CPU)
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	return m
}

// processor finds the name in the text of /proc/cpuinfo, which on arm names the
// board as well.
func processor(cpuinfo, unknown string) string {
	found := map[string]string{}
	for line := range strings.Lines(cpuinfo) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			found[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	for _, key := range []string{"Model", "model name", "Hardware", "cpu model", "uarch"} {
		if found[key] != "" {
			return found[key]
		}
	}
	return unknown
}

// String is the head of the table.
func (m machine) String() string {
	what := m.Arch
	if m.Arch == "amd64" || m.Arch == "386" {
		what = "x86; not measured on a Pi"
	}
	return fmt.Sprintf("lwa-agent %s, %s, on %s with %d cores (%s)\nLinux %s, state on %s, load before %s",
		m.Commit, m.Go, m.CPU, m.Cores, what, m.Kernel, m.Disk, m.Load)
}

// fileSystem names the file system of dir: what a durable save takes depends on
// it and on its disk.
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "an unknown file system"
	}
	switch int64(st.Type) {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("file system %#x", int64(st.Type))
}

func isTmpfs(dir string) bool { return fileSystem(dir) == "tmpfs" }
