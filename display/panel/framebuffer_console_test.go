package panel

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// aConsole is one of the kernel that runs here, on which nobody logs in and that
// nobody sees.
const aConsole = "/dev/tty61"

// TestConsoleOfTheKernel gives a console to a process, as systemd does, and
// looks at its mode. It needs root and a kernel with consoles, which a container
// seldom has.
func TestConsoleOfTheKernel(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		inChild()
		return
	}
	if tty, err := os.OpenFile(aConsole, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("NOT TESTED: no virtual console: %v", err)
	} else {
		tty.Close()
	}
	mode := func() (mode int32) {
		t.Helper()
		onConsole(t, func(tty *os.File) error { return requestAt(tty, kdGetMode, &mode) })
		return mode
	}
	t.Cleanup(func() {
		onConsole(t, func(tty *os.File) error {
			return errors.Join(requestValue(tty, kdSetMode, textMode), requestAt(tty, vtSetMode, &vtMode{mode: vtAuto}))
		})
	})

	p := startChild(t, "take")
	if mode() != graphics {
		t.Error("the console given to this process writes its text over the picture")
	}
	p.end(t, syscall.SIGTERM)
	if mode() != textMode {
		t.Fatal("after the end the console has no text; nobody can log in")
	}

	startChild(t, "take").end(t, syscall.SIGKILL)
	if mode() != graphics {
		t.Fatal("a crash is not what it was; nothing is tested here")
	}
	startChild(t, "give back").end(t, syscall.SIGTERM)
	if mode() != textMode {
		t.Error("what a crash left is not given back")
	}

	startChild(t, "take").end(t, syscall.SIGKILL)
	p = startChild(t, "take")
	p.end(t, syscall.SIGTERM)
	if mode() != textMode {
		t.Error("the start after a crash does not give back what it found")
	}

	onConsole(t, func(tty *os.File) error { return requestValue(tty, kdSetMode, graphics) })
	if said := startChild(t, "take").end(t, syscall.SIGTERM); !strings.Contains(said, "another program") || mode() != graphics {
		t.Errorf("it says %q of a desktop's console, and its mode is %d; the desktop is drawn over", said, mode())
	}
}

// TestNoOtherConsoleAppearsDuringAWrite asks for the screen, as the kernel does,
// while a part of the picture is being written.
func TestNoOtherConsoleAppearsDuringAWrite(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	c := &console{tty: null, graphics: true, asked: make(chan os.Signal, 1), done: make(chan struct{})}
	go c.answer()
	err = c.guard(func() error {
		c.asked <- leaveSignal
		if c.mu.TryLock() {
			t.Error("the kernel may show the other console now, and the rest of the write appears on it")
			c.mu.Unlock()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	close(c.asked)
	<-c.done
	if err := c.guard(func() error { return errors.New("drawn on the other console") }); err != nil {
		t.Error(err)
	}
}

// onConsole opens the console anew: the end of the process that it was given to
// hangs up all others.
func onConsole(t *testing.T, do func(tty *os.File) error) {
	t.Helper()
	tty, err := os.OpenFile(aConsole, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	if err := do(tty); err != nil {
		t.Fatal(err)
	}
}

// A child is this test again, with the console as its controlling terminal.
type child struct {
	*exec.Cmd
	said *bufio.Reader
	line string
}

const childVariable = "LWA_AGENT_TEST_CONSOLE"

func startChild(t *testing.T, does string) child {
	t.Helper()
	tty, err := os.OpenFile(aConsole, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestConsoleOfTheKernel$")
	c.Env = append(os.Environ(), childVariable+"="+does, "GORACE=atexit_sleep_ms=0")
	c.Stdin = tty
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			t.Skipf("NOT TESTED: a process cannot be given a console: %v", err)
		}
		t.Fatal(err)
	}
	p := child{Cmd: c, said: bufio.NewReader(out)}
	if p.line, err = p.said.ReadString('\n'); err != nil {
		t.Fatalf("the process with the console: %v", err)
	}
	return p
}

// end ends the process and returns what it said when it was ready.
func (p child) end(t *testing.T, with syscall.Signal) string {
	t.Helper()
	if with == syscall.SIGKILL {
		_ = p.Process.Kill()
	} else {
		_ = p.Process.Signal(with)
	}
	_, _ = p.said.ReadString(0)
	_ = p.Wait()
	return p.line
}

// inChild takes the console, says so, and gives it back when it is told to end.
func inChild() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	c, err := ownConsole()
	if err == nil && os.Getenv(childVariable) == "take" {
		err = c.take()
	} else if err == nil {
		c.takenBefore()
		err = c.giveBack()
	}
	if err != nil {
		os.Stdout.WriteString(strings.ReplaceAll(err.Error(), "\n", "; ") + "\n")
	} else {
		os.Stdout.WriteString("ready\n")
	}
	<-ended
	if c != nil {
		_ = c.giveBack()
	}
}
