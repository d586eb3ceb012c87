package display

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/display/internal/device"
)

// writeTimeout bounds a write to a terminal: one that is stopped by Ctrl-S, or
// a serial line whose other end is switched off, takes nothing. A serial line
// of 9600 baud needs 23 s for the largest code, which its driver buffers only
// in part.
const writeTimeout = 30 * time.Second

// Terminal shows screens on a whole terminal: a virtual console, a serial line,
// a window.
type Terminal struct {
	file    *os.File
	cells   func() Cells
	timeout time.Duration // of a write
	stopped bool          // it took no output, and is not asked once more
	echo    bool          // what is typed was shown before, and is again after Close

	drawn bool // screen and at are what is to be seen
	at    Cells
	last  Screen
	shows string
}

// OpenTerminal opens the terminal device path, such as /dev/tty1. It never
// becomes the controlling terminal of the process. What is known of the
// terminal is asked of its driver: the process's TERM and locale tell about
// another one.
func OpenTerminal(path string) (*Terminal, error) {
	f, err := openTTY(path)
	if err != nil {
		return nil, err
	}
	return &Terminal{file: f, cells: func() Cells { return deviceCells(f) }, timeout: writeTimeout}, nil
}

// NewTerminal shows screens on the terminal f, such as standard output, as
// getenv describes it (TERM, LC_ALL, LC_CTYPE, LANG). f stays open after Close;
// until then it does not show what is typed.
// Where f can be opened anew, a terminal that is stopped blocks no write for
// ever.
func NewTerminal(f *os.File, getenv func(string) string) *Terminal {
	t := &Terminal{cells: func() Cells { return CellsOf(f, getenv) }, timeout: writeTimeout}
	control(f, func(fd int) {
		own, err := openTTY("/proc/self/fd/" + strconv.Itoa(fd))
		if err == nil {
			t.file = own
			return
		}
		// Of another user, after sudo. A second descriptor of the same open file
		// at least lets Close leave f alone.
		if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3); err == nil {
			t.file = os.NewFile(uintptr(fd), f.Name())
		}
	})
	t.echo = setEcho(f, false)
	return t // with no file, each write says so
}

// setEcho has the terminal show what is typed, or not: that would run through
// the picture. It reports whether that changed anything. A terminal of other
// processes than ours is left alone: the kernel would stop us (SIGTTOU).
func setEcho(f *os.File, on bool) (changed bool) {
	control(f, func(fd int) {
		if group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
			return
		}
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil || (t.Lflag&unix.ECHO != 0) == on {
			return
		}
		t.Lflag ^= unix.ECHO
		changed = unix.IoctlSetTermios(fd, unix.TCSETS, t) == nil
	})
	return changed
}

// openTTY opens path for writing, without blocking: a serial line would wait
// for its carrier.
func openTTY(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no %s; plug its adapter in, or write another device: %w", path, unix.ENOENT)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EIO):
		return nil, fmt.Errorf("nothing is behind %s; plug its adapter in, or write another device: %w", path, err)
	case err != nil:
		return nil, device.WithGroup(path, err)
	}
	if !isTerminal(f) {
		err := fmt.Errorf("%s is not a terminal; the driver png writes files", path)
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Draw clears the terminal and shows s. When neither s nor the size or font of
// the terminal changed since, it writes nothing.
func (t *Terminal) Draw(s Screen) (string, error) {
	at := t.cells()
	if t.drawn && at == t.at && s.Equal(t.last) {
		return t.shows, nil
	}
	out, shows := at.FullScreen(s)
	switch {
	case !at.Escapes:
		out += "\n"
	case at.VT:
		out = "\x1b%G" + begin + out
	default:
		out = begin + out
	}
	t.drawn = false // a write cut short leaves half a screen
	if err := t.write(out); err != nil {
		return "", err
	}
	t.drawn, t.at, t.last, t.shows = true, at, s, shows
	return shows, nil
}

// Begin: colours off, cursor hidden, all clear. End: the same, cursor back.
const (
	begin = reset + "\x1b[?25l\x1b[2J\x1b[H"
	end   = reset + "\x1b[2J\x1b[H\x1b[?25h"
)

// Close clears the terminal and gives its cursor back. One that took no output
// is left as it is: with a second wait, the deadline of a Painter would pass
// before it hears what is wrong.
func (t *Terminal) Close() error {
	var err error
	if t.cells().Escapes && !t.stopped {
		err = t.write(end)
	}
	if t.echo {
		setEcho(t.file, true)
	}
	return errors.Join(err, t.file.Close())
}

func (t *Terminal) write(out string) error {
	// Without a deadline (ErrNoDeadline) the Painter's must do.
	if err := t.file.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return fmt.Errorf("preparing to write to the terminal: %w", err)
	}
	_, err := t.file.WriteString(out)
	if t.stopped = errors.Is(err, os.ErrDeadlineExceeded); t.stopped {
		return fmt.Errorf("%s takes no output; is it stopped by Ctrl-S, or its other end switched off?: %w", t.file.Name(), err)
	}
	if err != nil {
		return fmt.Errorf("writing to the terminal: %w", err)
	}
	return nil
}

// CellsOf is what the terminal f can show, as getenv describes it. With TERM
// empty or dumb, or when f is no terminal, that is plain text.
//
// A locale that names another character set than UTF-8 is believed. None at all
// is not: it is what an SSH session into a small device has, whose terminal
// knows UTF-8.
func CellsOf(f *os.File, getenv func(string) string) Cells {
	if name := getenv("TERM"); name == "" || name == "dumb" || !isTerminal(f) {
		return Cells{}
	}
	c := deviceCells(f)
	if locale := localeOf(getenv); locale != "" && !isUTF8(locale) && !c.VT {
		c.NoHalfBlock = "the locale " + clean(locale, true) + " is not UTF-8"
		c.ASCII = true
	}
	return c
}

func localeOf(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			return v
		}
	}
	return ""
}

func isUTF8(locale string) bool {
	l := strings.ToLower(locale)
	return strings.Contains(l, "utf-8") || strings.Contains(l, "utf8")
}

// deviceCells is what the terminal itself tells. A serial line knows no size
// and says 0x0: that counts as the 80x24 of old.
func deviceCells(f *os.File) Cells {
	c := Cells{Columns: 80, Rows: 24, Escapes: true}
	control(f, func(fd int) {
		if ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
			if ws.Col > 0 {
				c.Columns = int(ws.Col)
			}
			if ws.Row > 0 {
				c.Rows = int(ws.Row)
			}
		}
		if isVT(fd) {
			c.VT = true
			c.NoHalfBlock = noHalfBlock(fd)
		}
	})
	return c
}

func isTerminal(f *os.File) bool {
	is := false
	control(f, func(fd int) {
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		is = err == nil
	})
	return is
}

// control calls do with f's descriptor; File.Fd would make it a blocking one,
// and end its deadlines.
func control(f *os.File, do func(fd int)) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { do(int(fd)) }) // closed: nothing is known of it
}
