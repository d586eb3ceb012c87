package display_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// window is a pseudo terminal of which the test is the other end.
type window struct {
	ours, theirs *os.File
}

func openWindow(t *testing.T, columns, rows int) *window {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	w := &window{ours: ours, theirs: theirs}
	w.resize(t, columns, rows)
	return w
}

func (w *window) resize(t *testing.T, columns, rows int) {
	t.Helper()
	if err := pty.Setsize(w.ours, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
}

// output is all that do makes the terminal show.
func (w *window) output(t *testing.T, do func()) []byte {
	t.Helper()
	const end = "<end of output>"
	done := make(chan []byte, 1)
	go func() {
		var all []byte
		buffer := make([]byte, 4096)
		for !bytes.HasSuffix(all, []byte(end)) {
			n, err := w.ours.Read(buffer)
			all = append(all, buffer[:n]...)
			if err != nil {
				break
			}
		}
		done <- bytes.TrimSuffix(all, []byte(end))
	}()
	do()
	if _, err := io.WriteString(w.theirs, end); err != nil {
		t.Fatal(err)
	}
	select {
	case all := <-done:
		return all
	case <-time.After(10 * time.Second):
		t.Fatal("the output did not come within 10 s")
		return nil
	}
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if k, v, _ := strings.Cut(p, "="); k == name {
				return v
			}
		}
		return ""
	}
}

func mustDraw(t *testing.T, d display.Display, s display.Screen) string {
	t.Helper()
	shows, err := d.Draw(s)
	if err != nil {
		t.Error(err)
	}
	return shows
}

func TestTerminalIsDrawnRedrawnAndLeftUsable(t *testing.T) {
	w := openWindow(t, 80, 24)
	d, err := display.OpenTerminal(w.theirs.Name())
	if err != nil {
		t.Fatal(err)
	}
	out := w.output(t, func() { mustDraw(t, d, pair()) })
	got, err := displaytest.DecodeTerminal(out, 80, 24)
	if err != nil || got != pairURL {
		t.Fatalf("a phone reads %q (%v), want %q", got, err, pairURL)
	}
	if p, _ := displaytest.Replay(out, 80, 24); !p.HiddenCursor {
		t.Error("the cursor blinks in the picture")
	}

	w.resize(t, 100, 30) // nothing else changed
	out = w.output(t, func() { mustDraw(t, d, pair()) })
	if _, err := displaytest.DecodeTerminal(out, 100, 30); err != nil {
		t.Errorf("after a change of size: %v", err)
	}
	if out = w.output(t, func() { mustDraw(t, d, pair()) }); len(out) > 0 {
		t.Errorf("an unchanged screen was drawn again: %q", out)
	}

	out = w.output(t, func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	p, err := displaytest.Replay(out, 100, 30)
	if err != nil || p.HiddenCursor || p.Text() != "\n" {
		t.Errorf("after Close (%v): cursor hidden %v, text %q; want a usable terminal without a code", err, p.HiddenCursor, p.Text())
	}
}

func TestStoppedTerminalBlocksNobodyForEver(t *testing.T) {
	w := openWindow(t, 132, 43)
	d := display.NewTerminal(w.theirs, env("TERM=xterm", "LANG=C.UTF-8"))
	display.SetWriteTimeout(d, 50*time.Millisecond)
	var err error
	for i := 0; i < 100 && err == nil; i++ { // nobody reads: the line's buffer fills
		_, err = d.Draw(offer(t, 354+i))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "Ctrl-S") {
		t.Errorf("got %v, want a deadline and what may be the cause", err)
	}
	display.SetWriteTimeout(d, time.Hour)
	if err := d.Close(); err != nil { // it would wait for as long again, and the test with it
		t.Errorf("leaving it: %v", err)
	}
	if _, err := w.theirs.Stat(); err != nil {
		t.Errorf("the file that was handed in: %v", err)
	}
}

func TestSerialLineWithoutSizeIs80x24(t *testing.T) {
	w := openWindow(t, 0, 0)
	c := display.CellsOf(w.theirs, env("TERM=vt220"))
	if c.Columns != 80 || c.Rows != 24 || !c.Escapes {
		t.Errorf("a window of 0x0 counts as %+v, want 80x24", c)
	}
}

func TestWhatATerminalCanShow(t *testing.T) {
	w := openWindow(t, 80, 24)
	for _, want := range []struct {
		env                          []string
		escapes, halfBlocks, noASCII bool
	}{
		{[]string{"TERM=xterm", "LANG=de_DE.UTF-8"}, true, true, true},
		{[]string{"TERM=xterm", "LANG=en_US.utf8", "LC_ALL=C"}, true, false, false},
		{[]string{"TERM=xterm", "LANG=de_DE@euro"}, true, false, false},
		{[]string{"TERM=xterm", "LANG=C", "LC_CTYPE=C.UTF-8"}, true, true, true},
		{[]string{"TERM=xterm", "NO_COLOR=1"}, true, true, true},
		{[]string{"TERM=dumb", "LANG=C.UTF-8"}, false, true, true},
		{[]string{"LANG=C.UTF-8"}, false, true, true},
	} {
		c := display.CellsOf(w.theirs, env(want.env...))
		if c.Escapes != want.escapes || (c.NoHalfBlock == "") != want.halfBlocks || c.ASCII == want.noASCII {
			t.Errorf("%v: %+v; want escapes %v, half blocks %v, more than ASCII %v",
				want.env, c, want.escapes, want.halfBlocks, want.noASCII)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if c := display.CellsOf(file, env("TERM=xterm", "LANG=C.UTF-8")); c.Escapes {
		t.Errorf("a file counts as %+v, want plain text", c)
	}
}

func TestPlainFileIsNoTerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tty1")
	if err := os.WriteFile(path, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := display.OpenTerminal(path)
	if err == nil || !strings.Contains(err.Error(), "is not a terminal") {
		t.Errorf("got %v, want that it is not a terminal", err)
	}
	if kept, _ := os.ReadFile(path); string(kept) != "keep" {
		t.Errorf("the file now holds %q", kept)
	}
}

// TestTerminalThatIsNotThereSaysWhatToDo: a serial adapter is easily unplugged.
func TestTerminalThatIsNotThereSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ttyUSB0")
	if _, err := display.OpenTerminal(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "there is no "+path+"; plug") {
		t.Errorf("got %v, want what to do, and the cause for those who wait for the device", err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil { // its open fails as that of a port without hardware does
		t.Fatal(err)
	}
	if _, err := display.OpenTerminal(path); err == nil || !strings.Contains(err.Error(), "nothing is behind "+path+"; plug") {
		t.Errorf("got %v, want what to do", err)
	}
}

func TestDumbTerminalGetsPlainText(t *testing.T) {
	w := openWindow(t, 80, 24)
	d := display.NewTerminal(w.theirs, env("TERM=dumb"))
	out := w.output(t, func() { mustDraw(t, d, pair()) })
	if bytes.ContainsAny(out, "\x1b") || !bytes.Contains(out, []byte("amazon.com/us/code\r\n")) {
		t.Errorf("a dumb terminal was sent %q, want plain text with the address on a line of its own", out)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := io.WriteString(w.theirs, "still open\n"); err != nil {
		t.Errorf("Close closed a file that is not its own: %v", err)
	}
}

func TestWhatIsTypedDoesNotRunThroughThePicture(t *testing.T) {
	w := openWindow(t, 80, 24)
	echoes := func() bool {
		t.Helper()
		state, err := unix.IoctlGetTermios(int(w.theirs.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return state.Lflag&unix.ECHO != 0
	}
	d := display.NewTerminal(w.theirs, env("TERM=xterm", "LANG=C.UTF-8"))
	if echoes() {
		t.Error("a person who presses Enter scrolls the QR code away, and nothing brings it back")
	}
	w.output(t, func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if !echoes() {
		t.Error("the shell that comes back shows nothing that is typed")
	}
}
