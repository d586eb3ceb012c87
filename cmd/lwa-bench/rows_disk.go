package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
)

const (
	rowDiskKept    = "disk-kept"
	rowDiskRotated = "disk-rotated"

	diskRefreshes = 24 // a day's
	diskSize      = 64 << 20
	sector        = 512 // bytes, in /sys/block whatever the disk has
)

// writes counts what refreshes write: every block that reaches the device below a
// file system of their own, its metadata and journal included, since that is
// what wears flash.
func (b *bench) writes(ctx context.Context) error {
	var kept, rotated []float64
	var keptErr, rotatedErr error
	var both sync.WaitGroup
	both.Go(func() { kept, keptErr = b.refreshes(ctx, false) })
	both.Go(func() { rotated, rotatedErr = b.refreshes(ctx, true) })
	both.Wait()
	if err := errors.Join(keptErr, rotatedErr); err != nil {
		return err
	}
	const how = "blocks written to an ext4 of its own on a loop device, journal and metadata included, which is flushed after each refresh as the hour between them does"
	b.found(rowDiskKept, summarize(kept, how+"."))
	b.found(rowDiskRotated, summarize(rotated, how+"; "+number(sum(rotated))+" KiB in all."))
	return nil
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// refreshes returns how many KiB each of a day's refreshes wrote.
func (b *bench) refreshes(ctx context.Context, rotate bool) ([]float64, error) {
	d, err := b.newDevice(ctx, deviceOptions{method: "code", Options: lwatest.Options{Rotate: rotate}})
	if err != nil {
		return nil, err
	}
	if err := d.startOnOwnDisk(ctx); err != nil {
		return nil, err
	}
	if err := d.link(ctx); err != nil {
		return nil, err
	}
	own, err := d.ownDisk()
	if err != nil {
		return nil, err
	}
	defer own.root.Close()
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	last, err := own.written()
	if err != nil {
		return nil, err
	}
	// Lives of a second make the agent refresh more than once in it.
	d.amazon.Change(func(o *lwatest.Options) { o.TokenLife = time.Second })
	token, err := d.accessToken(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.post(ctx, "/refused", token); err != nil {
		return nil, err
	}
	var each []float64
	for len(each) < diskRefreshes {
		for began := time.Now(); d.amazon.Count(lwatest.Refresh) <= len(each); {
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return nil, err
			}
			if time.Since(began) > patience {
				return nil, d.explain(errors.New("no refresh is made"))
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil { // it is saved by then
			return nil, err
		}
		now, err := own.written()
		if err != nil {
			return nil, err
		}
		each = append(each, float64(now-last)*sector/1024)
		last = now
	}
	return each, d.end()
}

// startOnOwnDisk starts the core with its state on a new file system. The mount
// is in a namespace of the process's own and ends with it, in whatever way.
func (d *device) startOnOwnDisk(ctx context.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("it takes root to mount the file system whose writes are counted")
	}
	image := d.path("disk")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := errors.Join(os.Truncate(image, diskSize), os.Mkdir(d.state, 0o700)); err != nil {
		return err
	}
	// What ext4 would write later by itself is not the agent's.
	if _, err := output(ctx, nil, "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image); err != nil {
		return err
	}
	run := d.command(ctx, nil, "run")
	const script = `mount -o loop,noatime "$0" "$1" && shift && exec "$@"`
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", script, image, d.state}, run.Args...)...)
	cmd.SysProcAttr = run.SysProcAttr
	cmd.Env = append(run.Env, append(d.bench.coreEnv, "PATH="+os.Getenv("PATH"))...)
	var err error
	d.core, err = d.launch(cmd)
	return err
}

// ownDisk is the file system that a core was started with.
type ownDisk struct {
	root *os.File
	stat string // of its block device
}

// ownDisk finds it in the mounts of the process.
func (d *device) ownDisk() (*ownDisk, error) {
	proc := fmt.Sprintf("/proc/%d/", d.core.Process.Pid)
	text, err := os.ReadFile(proc + "mountinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == d.state {
			root, err := os.Open(filepath.Join(proc, "root", d.state))
			return &ownDisk{root, "/sys/dev/block/" + f[2] + "/stat"}, err
		}
	}
	return nil, errors.New("its file system is not mounted")
}

// written flushes the file system and returns how many sectors were written to
// its device since that was there (Documentation/block/stat.rst).
func (o *ownDisk) written() (int64, error) {
	if err := unix.Syncfs(int(o.root.Fd())); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(o.stat)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 7 {
		return 0, errors.New("the kernel does not tell what was written")
	}
	return strconv.ParseInt(fields[6], 10, 64)
}
