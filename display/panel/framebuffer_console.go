package panel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Requests of linux/kd.h, linux/vt.h and asm-generic/ioctls.h; ioctl_console(2).
const (
	kdSetMode   = 0x4b3a     // KDSETMODE
	kdGetMode   = 0x4b3b     // KDGETMODE
	vtGetMode   = 0x5601     // VT_GETMODE
	vtSetMode   = 0x5602     // VT_SETMODE
	vtGetState  = 0x5603     // VT_GETSTATE
	vtRelease   = 0x5605     // VT_RELDISP
	ttyGetDev   = 0x80045432 // TIOCGDEV: the device's own number, of /dev/tty too
	textMode    = 0          // KD_TEXT
	graphics    = 1          // KD_GRAPHICS: the kernel draws no text
	vtAuto      = 0          // VT_AUTO
	vtProcess   = 1          // VT_PROCESS: a process is asked before another console appears
	mayLeave    = 1          // for vtRelease: the other console may appear
	hasReturned = 2          // VT_ACKACQ: we know that ours is back
)

// The signals by which the kernel asks for the screen and gives it back. Nobody
// else uses these two for that (X and the like take SIGUSR1 and SIGUSR2), which
// tells a console that a crash of ours left in graphics mode.
const (
	leaveSignal  = syscall.Signal(50)
	returnSignal = syscall.Signal(51)
)

// Sequences of console_codes(4). The first is as if a key was pressed: a screen
// that has gone dark by itself (consoleblank=) shows its text again, and does
// not go dark for as long as that takes.
const (
	poke       = "\x1b[13]"
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
)

// vtMode is struct vt_mode of linux/vt.h.
type vtMode struct {
	mode, _            int8
	leave, returned, _ int16
}

// console is the virtual console whose text the kernel draws into a
// framebuffer. Its text is kept off the picture in one of two ways.
//
// Where the console was given to this process (TTYPath= in its unit), it is put
// into graphics mode: then the kernel writes nothing. Other consoles can still
// be reached with Alt-F2, as the kernel asks us first (VT_PROCESS). After a
// crash systemd's TTYReset= brings the text back, or our next start.
//
// Everywhere else the cursor is hidden, and whoever draws must look whether
// text was written over the picture. Privileges do not change that: a console
// in graphics mode whose process was killed is lost to the person before it.
type console struct {
	tty    *os.File
	number int
	given  bool // to this process alone

	taken    bool // since take, until giveBack
	graphics bool // the kernel writes nothing, and asks for the screen by signals
	asked    chan os.Signal
	done     chan struct{}

	mu      sync.Mutex
	away    bool // in graphics mode: another console is to be seen
	covered bool // there was another console to be seen since take
}

// openConsole finds the console that is on the screen with the number fb: the
// controlling terminal, else the one that can be seen. It is nil where there is
// none; fb shows no text then. It is also nil, with an error, where there may
// be one that this process may not touch.
func openConsole(fb fbFile) (*console, error) {
	c, err := ownConsole()
	if err != nil {
		c, err = seenConsole()
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return nil, nil // a kernel without consoles
	}
	if err != nil {
		return nil, err
	}
	if !fb.shows(c.number) {
		return nil, c.tty.Close()
	}
	return c, nil
}

func ownConsole() (*console, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	c := &console{tty: tty}
	var dev uint32
	if err = errors.Join(requestAt(c.tty, kdGetMode, new(int32)), requestAt(c.tty, ttyGetDev, &dev)); err != nil {
		return nil, errors.Join(err, tty.Close())
	}
	c.number = int(unix.Minor(uint64(dev)))
	session, err := unix.Getsid(0)
	c.given = err == nil && session == os.Getpid() // else it is a shell's, which would go on without text
	return c, nil
}

func seenConsole() (*console, error) {
	tty0, err := os.OpenFile("/dev/tty0", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	c := &console{tty: tty0}
	c.number, err = c.seen()
	err = errors.Join(err, tty0.Close())
	if err != nil {
		return nil, err
	}
	// /dev/tty0 would become another one with the next Alt-F2.
	c.tty, err = os.OpenFile(c.name(), os.O_WRONLY|unix.O_NOCTTY, 0)
	return c, err
}

func (c *console) name() string { return fmt.Sprintf("/dev/tty%d", c.number) }

// seen is the number of the console that can be seen.
func (c *console) seen() (int, error) {
	var state struct{ active, _, _ uint16 } // struct vt_stat
	err := requestAt(c.tty, vtGetState, &state)
	return int(state.active), err
}

// take makes the console ours, if it is not yet.
func (c *console) take() error {
	if c.taken && !c.graphics {
		_, err := c.tty.WriteString(poke)
		return err
	}
	if c.taken {
		return nil
	}
	if c.foreign() {
		return c.foreignError()
	}
	c.taken = true
	c.graphics = c.given && c.becomeGraphics() == nil
	if !c.graphics {
		_, err := c.tty.WriteString(poke + hideCursor)
		return err
	}
	return nil
}

// takenBefore has giveBack give back what another process of ours took, which
// was killed.
func (c *console) takenBefore() {
	var mode int32
	c.taken = true
	c.graphics = requestAt(c.tty, kdGetMode, &mode) == nil && mode == graphics
}

// inFront reports whether the console is the one to be seen: then, and only
// then, may be drawn.
func (c *console) inFront() bool {
	seen, err := c.seen()
	front := err == nil && seen == c.number && (c.graphics || !c.foreign())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.covered = c.covered || !front
	return front && !c.away
}

// foreign reports whether another program has put the console into graphics
// mode.
func (c *console) foreign() bool {
	var mode int32
	var vt vtMode
	if requestAt(c.tty, kdGetMode, &mode) != nil || mode != graphics || requestAt(c.tty, vtGetMode, &vt) != nil {
		return false
	}
	return vt.leave != int16(leaveSignal) || vt.returned != int16(returnSignal)
}

func (c *console) foreignError() error {
	return fmt.Errorf("%s shows the graphics of another program, such as a desktop; stop that, or name another display in config.toml", c.name())
}

func (c *console) becomeGraphics() error {
	asked := make(chan os.Signal, 4)
	signal.Notify(asked, leaveSignal, returnSignal) // before the kernel may send them
	vt := vtMode{mode: vtProcess, leave: int16(leaveSignal), returned: int16(returnSignal)}
	if err := requestAt(c.tty, vtSetMode, &vt); err != nil {
		signal.Stop(asked)
		return err
	}
	if err := requestValue(c.tty, kdSetMode, graphics); err != nil {
		signal.Stop(asked)
		return errors.Join(err, requestAt(c.tty, vtSetMode, &vtMode{mode: vtAuto}))
	}
	seen, err := c.seen()
	c.away = err == nil && seen != c.number
	c.asked, c.done = asked, make(chan struct{})
	go c.answer()
	return nil
}

// answer lets people change to another console and back. A write that is under
// way is waited for.
func (c *console) answer() {
	defer close(c.done)
	for s := range c.asked {
		c.mu.Lock()
		answer := uintptr(hasReturned)
		c.away, c.covered = false, true
		if s == leaveSignal {
			c.away, answer = true, mayLeave
		}
		_ = requestValue(c.tty, vtRelease, answer) // fails when the change was called off
		c.mu.Unlock()
	}
}

// guard makes a write unless it would appear on another console. In graphics
// mode the kernel waits for our leave to show one, which comes after the write.
func (c *console) guard(write func() error) error {
	if c == nil {
		return write()
	}
	if !c.graphics {
		if c.inFront() {
			return write()
		}
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return nil
	}
	return write()
}

// wasCovered reports, once, whether another console could be seen meanwhile.
func (c *console) wasCovered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.covered
	c.covered = false
	return was
}

// giveBack has the kernel draw the console's text again. Without permission for
// graphics mode it has it turn light and dark twice, for which it draws all of
// it; it does that at once, and only if the console can be seen.
func (c *console) giveBack() error {
	if !c.taken {
		return nil
	}
	c.taken = false
	if !c.graphics {
		_, err := c.tty.WriteString(poke + "\x1b[?5h\x1b[?5l" + showCursor)
		return err
	}
	c.graphics = false
	err := errors.Join(requestValue(c.tty, kdSetMode, textMode), requestAt(c.tty, vtSetMode, &vtMode{mode: vtAuto}))
	if c.asked != nil {
		signal.Stop(c.asked)
		close(c.asked)
		<-c.done
		c.asked = nil
	}
	c.away = false
	return err
}
