//go:build machinetest

package machinetest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lwa-agent/systemd/debiantest"
)

// A machine is a board with a disk, under QEMU.
type machine struct {
	t        *testing.T
	board    board
	kernel   kernel
	dir      string // everything of it, but for the sockets
	lines    string // the directory of the sockets, whose paths may have 107 bytes
	upstream string // address of the test's Amazon

	pictures string // the directory of what was seen on the screen
	letters  map[glyph]rune

	more    []string // what it was last powered on with
	qemu    *exec.Cmd
	ended   chan struct{} // closed when QEMU has ended
	monitor *monitor
	control *control
}

// assemble makes a machine of a board, Debian's newest kernel and a root
// directory with our package. upstream is the address of its Amazon.
func assemble(t *testing.T, b board, k kernel, root, upstream string) *machine {
	t.Helper()
	lines, err := os.MkdirTemp("", "lwa-machine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(lines) })
	m := &machine{t: t, board: b, kernel: k, dir: debiantest.Scratch(t), lines: lines, upstream: upstream, pictures: t.ArtifactDir()}
	makeDisk(t, root, m.disk())
	initramfs(t, b, k, m.initramfs())
	if b.dtb != "" {
		deviceTree(t, b, k, m.dtb())
	}
	return m
}

func (m *machine) disk() string      { return filepath.Join(m.dir, "disk.img") }
func (m *machine) dtb() string       { return filepath.Join(m.dir, "board.dtb") }
func (m *machine) initramfs() string { return filepath.Join(m.dir, "initramfs") }
func (m *machine) log() string       { return filepath.Join(m.dir, "console.log") }

// powerOn starts it; more is for QEMU, such as a screen or the time that the
// clock shows. It is switched off at the end of the test.
func (m *machine) powerOn(more ...string) {
	m.t.Helper()
	m.more = more
	listen := func(name string) net.Listener {
		path := filepath.Join(m.lines, name)
		os.Remove(path) // of the last time
		l, err := net.Listen("unix", path)
		if err != nil {
			m.t.Fatal(err)
		}
		return l
	}
	monitor, control := listen("monitor"), listen("control")
	defer monitor.Close()
	defer control.Close()

	args := append(slices.Clone(m.board.qemu[1:]),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", // see reboot
		"-kernel", m.kernel.image(), "-initrd", m.initramfs(),
		"-append", m.board.cmdline+" panic=-1 quiet net.ifnames=0",
		"-drive", "file="+m.disk()+",format=raw,"+m.board.disk,
		"-chardev", "file,id=log,append=on,path="+m.log(), "-serial", "chardev:log",
		"-chardev", "socket,id=control,path="+control.Addr().String(),
		"-chardev", "socket,id=monitor,path="+monitor.Addr().String(), "-mon", "chardev=monitor,mode=control",
		// Nothing but Amazon, to whom each connection is a process of its own.
		"-netdev", "user,id=net,restrict=on,guestfwd=tcp:"+amazonUpstream+"-cmd:"+busybox(m.t, debiantest.Native())+" nc "+strings.Replace(m.upstream, ":", " ", 1),
	)
	args = append(args, m.board.line...)
	if m.board.dtb != "" {
		args = append(args, "-dtb", m.dtb())
	}
	m.start(append(args, more...))
	accept := func(l net.Listener) net.Conn {
		l.(*net.UnixListener).SetDeadline(time.Now().Add(monitorLimit))
		conn, err := l.Accept()
		if err != nil {
			m.t.Fatalf("QEMU does not open its lines: %v\n%s", err, m.complaints())
		}
		return conn
	}
	var err error
	m.control = newControl(accept(control))
	if m.monitor, err = newMonitor(accept(monitor)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) start(args []string) {
	m.t.Helper()
	m.qemu = exec.Command(m.board.qemu[0], args...)
	out, err := os.OpenFile(filepath.Join(m.dir, "qemu.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		m.t.Fatal(err)
	}
	defer out.Close()
	m.qemu.Stdout, m.qemu.Stderr = out, out
	m.qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		// Pdeathsig comes when the thread ends that started the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		started <- m.qemu.Start()
		m.qemu.Wait()
		close(ended)
	}()
	if err := <-started; err != nil {
		m.t.Fatal(err)
	}
	m.ended = ended
	m.t.Cleanup(m.cutPower)
}

// cutPower ends it between two instructions.
func (m *machine) cutPower() {
	m.qemu.Process.Kill() // an error is that it has ended
	<-m.ended
}

// powerOff shuts it down as a person does who types it.
func (m *machine) powerOff() {
	m.t.Helper()
	m.down("poweroff")
}

// reboot goes down, and up again in another QEMU: after a reset, an emulated PC
// is three times slower.
func (m *machine) reboot() {
	m.t.Helper()
	m.down("reboot")
	m.powerOn(m.more...)
	m.awaitBoot()
}

// down runs a command of systemctl's that ends the machine.
func (m *machine) down(command string) {
	m.t.Helper()
	m.try(time.Second, "systemctl", command) // it may be cut off by what it asks for
	select {
	case <-m.ended:
	case <-time.After(2 * time.Minute):
		m.t.Errorf("the machine did not %s within two minutes\n%s", command, m.complaints())
		m.cutPower()
	}
}

// try runs a command in the machine and returns what it printed, standard error
// included.
func (m *machine) try(within time.Duration, args ...string) (string, error) {
	a, err := m.control.do(within, "", args...)
	return strings.TrimSpace(string(a.Output)), err
}

// run is try with the limit that does for most.
func (m *machine) run(args ...string) (string, error) { return m.try(time.Minute, args...) }

// must is run for a command that has to succeed.
func (m *machine) must(args ...string) string {
	m.t.Helper()
	out, err := m.run(args...)
	if err != nil {
		m.t.Fatalf("in the machine, %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// write makes a file in the machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	if a, err := m.control.do(time.Minute, text, "sh", "-c", `mkdir -p "${0%/*}" && cat >"$0"`, path); err != nil {
		m.t.Fatalf("write %s: %v\n%s", path, err, a.Output)
	}
}

// awaitBoot waits until systemd has started all it was to start. Nothing may be
// said on the line until the machine has: what comes before somebody listens
// blocks some serial lines for ever.
func (m *machine) awaitBoot() {
	m.t.Helper()
	limit := time.NewTimer(3 * time.Minute)
	defer limit.Stop()
	select {
	case <-m.control.hello:
	case <-m.ended:
		m.t.Fatalf("the machine ended before it was up\n%s", m.complaints())
	case <-limit.C:
		m.shot("no-boot")
		m.t.Fatalf("the machine is not up after 3 minutes; %s shows its screen\n%s", m.pictures, m.complaints())
	}
	state, err := m.try(2*time.Minute, "systemctl", "is-system-running", "--wait")
	if err != nil {
		m.t.Fatalf("the machine is %q: %v\n%s\n%s", state, err, m.journal("-p", "warning"), m.complaints())
	}
}

// await looks at something four times a second until it is done. What is in the
// way at the end is part of the failure.
func (m *machine) await(limit time.Duration, what string, done func() (ok bool, inTheWay string)) {
	m.t.Helper()
	m.observer().Await(limit, what, done)
}

func (m *machine) observer() debiantest.Observer {
	return debiantest.Observer{T: m.t, Every: 250 * time.Millisecond, Ended: m.ended, Last: func() string {
		return m.complaints() + "\n" + m.journal("-u", "lwa-agent", "-u", "lwa-agent-display", "-u", "amazon", "-u", "network", "-n", "40")
	}}
}

// journal returns what journalctl shows, or why it does not.
func (m *machine) journal(args ...string) string {
	if m.control == nil {
		return "" // nobody to ask
	}
	out, err := m.run(append([]string{"journalctl", "--no-pager", "-o", "short-monotonic", "-b"}, args...)...)
	if err != nil {
		return fmt.Sprintf("(%v) %s", err, out)
	}
	return out
}

// complaints is what QEMU and the kernel said.
func (m *machine) complaints() string {
	var all strings.Builder
	for _, name := range []string{"qemu.log", "console.log"} {
		text, err := os.ReadFile(filepath.Join(m.dir, name))
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&all, "%s: %s\n", name, text[max(0, len(text)-4000):])
	}
	return all.String()
}

// property returns one of a unit's, such as StatusText.
func (m *machine) property(unit, name string) string {
	m.t.Helper()
	return m.must("systemctl", "show", unit, "--property", name, "--value")
}
