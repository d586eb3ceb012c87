package doctor

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// oldestSystemd is the oldest that the units were tried with.
const oldestSystemd = 252

func checkVersions(ctx context.Context, f *facts) []Finding {
	var all []Finding
	if s := f.status; s != nil && s.Version != "" && s.Version != f.Version {
		all = append(all, warn("sudo systemctl restart lwa-agent", "the agent that runs is %s, this program is %s", s.Version, f.Version))
	}
	if target, err := os.Readlink(filepath.Join("/proc", f.units[coreUnit]["MainPID"], "exe")); err == nil && strings.HasSuffix(target, " (deleted)") {
		all = append(all, warn("sudo systemctl restart lwa-agent", "the program was replaced while the agent runs"))
	}
	systemd := systemdVersion(ctx)
	if n, err := strconv.Atoi(systemd); err == nil && n < oldestSystemd {
		all = append(all, fault("upgrade to Debian 12 or newer", "systemd %d is too old for the units, which need %d", n, oldestSystemd))
	}
	if systemd != "" {
		systemd = "systemd " + systemd
	}
	parts := []string{"lwa-agent " + f.Version, "Linux " + kernel(), runtime.GOOS + "/" + runtime.GOARCH, distribution(), board(), systemd}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" })
	return append(all, ok("%s", strings.Join(parts, ", ")))
}

// systemdVersion is a number; "" without systemd.
func systemdVersion(ctx context.Context) string {
	out, _ := systemctl(ctx, "--version") // systemd 252 (252.39-1)
	if fields := bytes.Fields(out); len(fields) > 1 && string(fields[0]) == "systemd" {
		return string(fields[1])
	}
	return ""
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func distribution() string {
	text, _ := os.ReadFile("/etc/os-release") // os-release(5); an image may have none
	for line := range strings.Lines(string(text)) {
		if name, is := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); is {
			return strings.Trim(name, `"'`)
		}
	}
	return ""
}

// board is its model, as a Raspberry Pi's device tree has it. Not its number.
func board() string {
	text, _ := os.ReadFile("/proc/device-tree/model") // other boards have none
	return strings.TrimRight(string(text), "\x00\n ")
}
