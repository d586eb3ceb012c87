//go:build boottest

package boottest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lwa-agent/systemd/debiantest"
)

// A machine is a Debian that runs under systemd-nspawn.
type machine struct {
	t       *testing.T
	root    string // its root directory, as the host sees it
	cgroup  string
	console lockedBuffer
	ended   chan struct{} // closed when it is powered off for good

	mu    sync.Mutex
	nspid int // of the nspawn that runs now, 0 between two
}

// rebootStatus is how systemd-nspawn says that the machine wants to start again.
const rebootStatus = 133

// boot starts the machine on a root directory. It is powered off and its
// control group removed at the end of the test.
func boot(t *testing.T, root string) *machine {
	t.Helper()
	hierarchy, err := cgroup2()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{
		t: t, root: root, ended: make(chan struct{}),
		// One of its own: two containers would share /payload below the test's.
		cgroup: filepath.Join(hierarchy, fmt.Sprintf("lwa-boottest-%d", os.Getpid())),
	}
	if err := os.Mkdir(m.cgroup, 0o755); err != nil {
		t.Fatalf("make a control group for the machine: %v", err)
	}
	go m.keepRunning()
	t.Cleanup(m.powerOff)
	return m
}

// keepRunning starts nspawn, and again after each reboot.
func (m *machine) keepRunning() {
	defer close(m.ended)
	// The kernel sends Pdeathsig when the thread ends that started the child,
	// so it has to be this one until the machine is off.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	group, err := os.Open(m.cgroup)
	if err != nil {
		fmt.Fprintln(&m.console, err)
		return
	}
	defer group.Close()
	for {
		c := exec.Command("systemd-nspawn", "--quiet", "--directory", m.root, "--machine", filepath.Base(m.cgroup),
			"--boot", "--register=no", "--keep-unit", "--private-network", "--console=read-only",
			"--timezone=off", "--resolv-conf=off", "--link-journal=no",
			// bpf: without it DeviceAllow= and IPAddressDeny= are silently not
			// enforced. The others: as on a real machine, the clock may be asked.
			"--system-call-filter=bpf adjtimex clock_adjtime")
		if hasConsole() {
			c.Args = append(c.Args, "--bind="+console)
		}
		// With a host of both cgroup versions nspawn would choose the old one.
		c.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
		c.Stdout, c.Stderr = &m.console, &m.console
		c.SysProcAttr = &syscall.SysProcAttr{
			UseCgroupFD: true, CgroupFD: int(group.Fd()),
			Pdeathsig: syscall.SIGTERM,
		}
		if err := c.Start(); err != nil {
			fmt.Fprintln(&m.console, err)
			return
		}
		m.setNspawn(c.Process.Pid)
		err := c.Wait()
		m.setNspawn(0)
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != rebootStatus {
			return
		}
	}
}

func (m *machine) setNspawn(pid int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nspid = pid
}

// leader returns the machine's PID 1 as the host numbers it, 0 if there is none.
func (m *machine) leader() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.nspid == 0 {
		return 0
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", m.nspid, m.nspid))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(children), " ")
	pid, _ := strconv.Atoi(first)
	return pid
}

// powerOff ends the machine, by force if it does not end by itself, and
// removes what it left on the host.
func (m *machine) powerOff() {
	m.mu.Lock()
	nspid := m.nspid
	m.mu.Unlock()
	leader := m.leader()
	if nspid != 0 {
		syscall.Kill(nspid, syscall.SIGTERM)
	}
	select {
	case <-m.ended:
	case <-time.After(30 * time.Second):
		m.t.Errorf("the machine did not power off within 30 s; its PID 1 (%d) is killed", leader)
		// Not nspawn, whose end would leave PID 1 running.
		if leader > 1 {
			syscall.Kill(leader, syscall.SIGKILL)
		}
		<-m.ended
	}
	// From the leaves up; a directory of this file system has no files to remove.
	var groups []string
	filepath.WalkDir(m.cgroup, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	for _, path := range slices.Backward(groups) {
		if err := os.Remove(path); err != nil {
			m.t.Errorf("a control group of the machine stays behind: %v", err)
		}
	}
}

// cgroup2 returns where the version 2 hierarchy of control groups is mounted.
func cgroup2() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", errors.New("this host has no version 2 control groups mounted; systemd-nspawn cannot boot a machine")
}

// awaitBoot waits until systemd has started all it was to start.
func (m *machine) awaitBoot() {
	m.t.Helper()
	m.await(time.Minute, "the machine to be up", func() (bool, string) {
		if m.leader() == 0 {
			return false, "systemd-nspawn has started no PID 1:\n" + m.console.String()
		}
		state, _ := m.run("systemctl", "is-system-running")
		return state == "running" || state == "degraded", "it is " + state
	})
}

// reboot goes down and up again.
func (m *machine) reboot() {
	m.t.Helper()
	before := m.leader()
	// It may be cut off by what it asks for.
	m.run("systemctl", "reboot")
	m.await(time.Minute, "the machine to go down", func() (bool, string) {
		now := m.leader()
		return now != 0 && now != before, "its PID 1 is still there"
	})
	m.awaitBoot()
}

// await looks at something ten times a second until it is done. What is in the
// way at the end is part of the failure.
func (m *machine) await(limit time.Duration, what string, done func() (ok bool, inTheWay string)) {
	m.t.Helper()
	m.observer().Await(limit, what, done)
}

func (m *machine) observer() debiantest.Observer {
	return debiantest.Observer{T: m.t, Every: 100 * time.Millisecond, Ended: m.ended, Last: func() string {
		return m.console.String() + "\n" + m.journal("-u", "lwa-agent", "-n", "30")
	}}
}

// A lockedBuffer takes what two starts of nspawn print.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
