//go:build machinetest

package machinetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/systemd/debiantest"
)

var crashPoints = flag.Int("crash-points", 120, "how many moments of a recording TestPowerCutsLoseNothing replays")

// The disk of a recording: a file system, and behind it room for a mark.
const (
	recordedFileSystem = 32 << 20
	recordedDisk       = recordedFileSystem + 1<<20
	recordedSaves      = 300
)

// recorderInit mounts the disk and saves on it.
const recorderInit = `#!/busybox sh
/busybox mount -t devtmpfs dev /dev
/busybox mount -t proc proc /proc
exec >/dev/console 2>&1
for module in /modules/*; do /busybox insmod $module || echo "insmod $module failed"; done
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 600 ]; do /busybox sleep 0.1; tries=$((tries + 1)); done
/busybox mount -t ext4 /dev/vda /disk
LWA_AGENT_TEST_RECORDING='%s' /recorder -test.run='^TestAcknowledgedSaveSurvivesAPowerCut$'
echo ENDED
while :; do /busybox sleep 60; done
`

// TestPowerCutsLoseNothing records what the agent's own store has a machine's
// disk do, and makes the disks that a power cut would have left at moments of
// it: with all, some, or nothing of what the disk had not been told to flush.
// Each is repaired as at a boot, and read by the agent's own store.
func TestPowerCutsLoseNothing(t *testing.T) {
	debiantest.NeedRoot(t, tools)
	s := debiantest.Tell(t, os.Stdout)
	var r *recorder
	s.Step("a recorder, and a disk for it", func() string { r = newRecorder(t); return r.kernel.release })
	cuts := *crashPoints
	s.Step(fmt.Sprintf("power cuts: %d crash points", cuts), func() string {
		found := r.record(false).replay(cuts)
		if found.lost != 0 || found.damaged != 0 {
			t.Error("what the store has acknowledged must be there after a power cut, undamaged")
		}
		return found.String()
	})
	s.Step("a control without fsync", func() string {
		found := r.record(true).replay(max(10, cuts/4))
		if found.lost+found.damaged == 0 {
			t.Error("without fsync nothing is lost either, so the replay cuts nothing")
		}
		return found.String()
	})
}

// A recorder is a machine that does nothing but save.
type recorder struct {
	t       *testing.T
	dir     string
	kernel  kernel
	program string // the test binary of package agent, which knows its store
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{t: t, dir: debiantest.Scratch(t), kernel: newestKernel(t, pc())}
	r.program = filepath.Join(r.dir, "recorder")
	c := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "deep", "-ldflags", "-s -w", "-o", r.program, "lwa-agent/agent")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+pc().goarch)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the recorder: %v\n%s", err, out)
	}
	empty := filepath.Join(r.dir, "empty.img")
	put(t, empty, "")
	if err := os.Truncate(empty, recordedDisk); err != nil {
		t.Fatal(err)
	}
	debiantest.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", empty, fmt.Sprint(recordedFileSystem>>10, "k"))
	return r
}

func (r *recorder) path(name string) string { return filepath.Join(r.dir, name) }

// record boots the machine, lets it save, and cuts its power.
func (r *recorder) record(withoutSync bool) recorded {
	r.t.Helper()
	told, err := json.Marshal(map[string]any{
		"State": "/disk/state", "Disk": "/dev/vda", "Marks": recordedFileSystem, "Saves": recordedSaves, "WithoutSync": withoutSync,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	writeInitramfs(r.t, r.path("initramfs"), []string{"dev", "proc", "disk", "tmp"}, map[string][]byte{
		"busybox":  read(r.t, busybox(r.t, pc().debian)),
		"recorder": read(r.t, r.program),
		"init":     fmt.Appendf(nil, recorderInit, told),
	}, r.kernel.withDependencies(r.t, pc().early))
	for _, name := range []string{"writes.log", "console.log"} {
		put(r.t, r.path(name), "")
	}
	debiantest.Run(r.t, "cp", r.path("empty.img"), r.path("disk.img"))
	m := &machine{t: r.t, board: pc(), dir: r.dir}
	m.start([]string{
		"-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none",
		"-kernel", r.kernel.image(), "-initrd", r.path("initramfs"), "-append", "console=ttyS0 no_timer_check panic=-1 quiet", "-no-reboot",
		"-serial", "file:" + m.log(),
		"-blockdev", "driver=file,filename=" + r.path("disk.img") + ",node-name=file",
		"-blockdev", "driver=raw,file=file,node-name=disk",
		"-blockdev", "driver=file,filename=" + r.path("writes.log") + ",node-name=log",
		"-blockdev", fmt.Sprint("driver=blklogwrites,node-name=logged,file=disk,log=log,log-sector-size=", logSector),
		"-device", "virtio-blk-pci,drive=logged,write-cache=on",
	})
	m.await(5*time.Minute, "the recording", func() (bool, string) {
		said := read(r.t, m.log())
		if bytes.Contains(said, []byte("ENDED")) && !bytes.Contains(said, []byte("RECORDED")) {
			r.t.Fatalf("the machine did not record\n%s", m.complaints())
		}
		return bytes.Contains(said, []byte("RECORDED")), "it is not at its end"
	})
	m.cutPower()
	return recorded{r, readLog(r.t, r.path("writes.log"))}
}

// recorded is what the disk was told.
type recorded struct {
	*recorder
	orders []order
}

// A verdict is what crashes have done.
type verdict struct {
	crashes, lost, damaged, most int
	orders, flushes, saves       int
}

func (v verdict) String() string {
	return fmt.Sprintf("%d lost and %d damaged of %d (%d saves; %d writes, %d flushes; %d saves lost at most)", v.lost, v.damaged, v.crashes, v.saves, v.orders-v.flushes, v.flushes, v.most)
}

// acknowledged is, for each number of orders, the last save whose mark is among
// them, or -1.
func (r recorded) acknowledged() (after []int, first int) {
	after, last := make([]int, len(r.orders)+1), -1
	first = len(r.orders)
	for i, o := range r.orders {
		after[i] = last
		if o.at == recordedFileSystem && !o.flush {
			if _, err := fmt.Sscanf(string(o.data), "ACKNOWLEDGED %d\n", &last); err != nil {
				r.t.Fatalf("what stands where the marks do: %v", err)
			}
			first = min(first, i)
		}
	}
	after[len(r.orders)] = last
	return after, first
}

func (r recorded) replay(cuts int) verdict {
	r.t.Helper()
	acknowledged, first := r.acknowledged()
	v := verdict{crashes: cuts, saves: acknowledged[len(r.orders)], orders: len(r.orders)}
	for _, o := range r.orders {
		if o.flush {
			v.flushes++
		}
	}
	if v.saves != recordedSaves {
		r.t.Fatalf("%d saves are marked in the log, %d were made", v.saves, recordedSaves)
	}
	again := newReplay(r.t, r.orders, r.path("empty.img"))
	at := crashes(r.orders, first, cuts)
	var dirs []string
	for i, c := range at {
		again.disk(c, r.path("crashed.img"))
		dir := filepath.Join(r.dir, fmt.Sprintf("crash-%d-%d", cuts, i))
		if err := r.boot(r.path("crashed.img"), dir); err != nil {
			v.damaged++
			r.t.Logf("crash %d of %d orders: %v", i, c.after, err)
		}
		dirs = append(dirs, filepath.Join(dir, "state"))
	}
	for i, found := range r.left(dirs) {
		acked := acknowledged[at[i].after]
		switch {
		case found < 0:
			v.damaged++
		case found < acked:
			v.lost++
			v.most = max(v.most, acked-found)
		case found > acked+1:
			r.t.Errorf("crash %d: save %d is found, and %d was the last that is marked: the marks mean nothing", i, found, acked)
		}
	}
	return v
}

// boot repairs a file system as a boot does, and copies what is on it.
func (r recorded) boot(image, to string) error {
	out, err := exec.CommandContext(r.t.Context(), "e2fsck", "-f", "-y", image).CombinedOutput()
	// 1: something was repaired, the journal's replay included (e2fsck(8)).
	if exit, failed := errors.AsType[*exec.ExitError](err); err != nil && (!failed || exit.ExitCode() > 1) {
		return fmt.Errorf("e2fsck: %w: %s", err, out)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	debiantest.Run(r.t, "debugfs", "-R", "rdump /state "+to, image)
	return nil
}

// left asks the agent's own store which save is the one that it finds, or -1.
func (r recorded) left(dirs []string) []int {
	r.t.Helper()
	told, err := json.Marshal(dirs)
	if err != nil {
		r.t.Fatal(err)
	}
	c := exec.CommandContext(r.t.Context(), r.program, "-test.run=^TestAcknowledgedSaveSurvivesAPowerCut$")
	c.Env = append(os.Environ(), "LWA_AGENT_TEST_CRASHED="+string(told))
	out, err := c.CombinedOutput()
	if err != nil {
		r.t.Fatalf("the store that reads what is left: %v\n%s", err, out)
	}
	var found []int
	for line := range strings.Lines(string(out)) {
		var n int
		if _, err := fmt.Sscanf(line, "LEFT %d", &n); err == nil {
			found = append(found, n)
			if n < 0 {
				r.t.Logf("%s", line)
			}
		}
	}
	if len(found) != len(dirs) {
		r.t.Fatalf("%d disks were read, of %d\n%s", len(found), len(dirs), out)
	}
	return found
}
