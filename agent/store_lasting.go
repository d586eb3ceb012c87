package agent

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lasting warns of a state directory from which a link would vanish: a save
// works there, and nobody would know before the next reboot. The numbers are
// statfs(2)'s.
func (s *store) lasting() Warning {
	const hint = "set state_dir to a directory on a disk, ext4 for example"
	var st unix.Statfs_t
	if unix.Statfs(s.dir, &st) != nil {
		return Warning{}
	}
	switch where, kind := s.dir, uint32(st.Type); {
	case inMemoryOnly(kind):
		return Warning{"state_in_memory", where + " is in memory, so a link does not survive a reboot", hint}
	case isFAT(kind):
		return Warning{"state_on_fat", where + " is on a FAT file system, so a power cut can cost the link, and everybody on this device may be able to read it", hint}
	case kind == unix.OVERLAYFS_SUPER_MAGIC:
		return overlayLasting(where, hint)
	}
	return Warning{}
}

func inMemoryOnly(kind uint32) bool {
	return kind == unix.TMPFS_MAGIC || kind == unix.RAMFS_MAGIC
}

func isFAT(kind uint32) bool {
	return kind == unix.MSDOS_SUPER_MAGIC || kind == unix.EXFAT_SUPER_MAGIC
}

// overlayLasting looks at the directory in which an overlay keeps its changes,
// as images with a read-only root have one in memory. Where a container hides
// it nothing is said.
func overlayLasting(dir, hint string) Warning {
	text, err := os.ReadFile("/proc/self/mountinfo")
	var at unix.Stat_t
	if err != nil || unix.Stat(dir, &at) != nil {
		return Warning{}
	}
	mounts := parseMounts(string(text))
	device := fmt.Sprintf("%d:%d", unix.Major(uint64(at.Dev)), unix.Minor(uint64(at.Dev)))
	for _, m := range mounts {
		if m.kind != "overlay" || m.device != device {
			continue
		}
		if _, has := m.options["volatile"]; has {
			return Warning{"state_in_memory", dir + " is on a volatile overlay, which is thrown away after a power cut, and a link with it", hint}
		}
		if upper := m.options["upperdir"]; upper != "" && isInMemory(upper, mounts) {
			return Warning{"state_in_memory", dir + " is on an overlay whose changes are in memory, so a link does not survive a reboot", hint}
		}
	}
	return Warning{}
}

// isInMemory asks the file system, or, where a sandbox hides it, the mounts.
func isInMemory(path string, mounts []mount) bool {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) == nil {
		return inMemoryOnly(uint32(st.Type))
	}
	var under mount
	for _, m := range mounts {
		if isBelow(path, m.point) && len(m.point) >= len(under.point) {
			under = m
		}
	}
	return under.kind == "tmpfs" || under.kind == "ramfs"
}

func isBelow(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimRight(dir, "/")+"/")
}

// mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	device, point, kind string
	options             map[string]string
}

func parseMounts(text string) (mounts []mount) {
	for line := range strings.Lines(text) {
		head, tail, found := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		fields, rest := strings.Fields(head), strings.Fields(tail)
		if !found || len(fields) < 5 || len(rest) < 3 {
			continue
		}
		m := mount{device: fields[2], point: unescapeMount(fields[4]), kind: rest[0], options: map[string]string{}}
		for option := range strings.SplitSeq(rest[2], ",") {
			key, value, _ := strings.Cut(option, "=")
			m.options[key] = unescapeMount(value)
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// unescapeMount undoes the octal escapes of the kernel: a blank is \040.
func unescapeMount(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
