package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"lwa-agent/display/displaytest"
)

// wires are the simulated panels of a device, one of each kind, behind files
// that stand for the device nodes.
type wires struct {
	i2c, spi, gpio, framebuffer string // the files

	bus    *displaytest.I2CBus
	oled   *displaytest.OLED
	paper  *displaytest.EPaper
	port   spi.Conn
	screen *displaytest.Framebuffer

	mu    sync.Mutex                     // guards what follows
	pins  map[int]*displaytest.EPaperPin // by the descriptor of the process
	last  time.Time                      // of a transfer on a bus, or a write to the framebuffer
	drawn int                            // looks that found something written to the framebuffer
	fault error                          // of the simulation; figures that it had a part in are worth nothing
}

// The pins of the e-paper, on the one chip.
const (
	pinDC = iota
	pinReset
	pinBusy
	gpioLines
)

// newWires makes panels and the files for them, in dir. The framebuffer has that
// many pixels of 16 or 32 bits.
func newWires(dir string, paper displaytest.EPaperModel, width, height, bits int) (*wires, error) {
	w := &wires{
		i2c: dir + "/i2c-1", spi: dir + "/spidev0.0", gpio: dir + "/gpiochip0", framebuffer: dir + "/fb0",
		bus: displaytest.NewI2CBus(), oled: displaytest.NewSSD1306(64), paper: displaytest.NewEPaper(paper),
		screen: displaytest.NewFramebuffer(width, height, bits), pins: map[int]*displaytest.EPaperPin{},
	}
	w.bus.Plug(0x3c, w.oled)
	var err error
	if w.port, err = w.paper.Connect(4*physic.MegaHertz, spi.Mode0, 8); err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{w.i2c: nil, w.spi: nil, w.gpio: nil, w.framebuffer: w.screen.Memory()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// oledConfig is the [[display]] of that panel, as the two below of theirs.
func (w *wires) oledConfig() string {
	return fmt.Sprintf("[[display]]\ndriver = \"ssd1306\"\ndevice = %q\n", w.i2c)
}

func (w *wires) framebufferConfig() string {
	return fmt.Sprintf("[[display]]\ndriver = \"framebuffer\"\ndevice = %q\n", w.framebuffer)
}

func (w *wires) paperConfig(driver string) string {
	return fmt.Sprintf("[[display]]\ndriver = %q\ndevice = %q\ndc_pin = \"%s:%d\"\nreset_pin = \"%s:%d\"\nbusy_pin = \"%s:%d\"\n",
		driver, w.spi, w.gpio, pinDC, w.gpio, pinReset, w.gpio, pinBusy)
}

// transferred notes when the last bytes were taken.
func (w *wires) transferred() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
}

// watch notes what is written to the framebuffer until the watch is closed. It
// is told by the kernel (inotify(7)), so that the writes take as long as ever.
func (w *wires) watch() (io.Closer, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, w.framebuffer, unix.IN_MODIFY); err != nil {
		return nil, errors.Join(err, events.Close())
	}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := events.Read(buf); err != nil {
				return // closed
			}
			w.transferred()
			w.mu.Lock()
			w.drawn++
			w.mu.Unlock()
		}
	}()
	return events, nil
}

// objections is an error if a panel was sent what its datasheet does not
// provide for, or the simulation went wrong.
func (w *wires) objections() error {
	w.mu.Lock()
	err := w.fault
	w.mu.Unlock()
	for _, said := range slices.Concat(w.oled.Complaints(), w.paper.Faults()) {
		err = errors.Join(err, fmt.Errorf("a panel objects: %s", said))
	}
	return err
}

// drawnOn grows whenever something was written to the framebuffer.
func (w *wires) drawnOn() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drawn
}

// lastSent is when the last transfer or write was.
func (w *wires) lastSent() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}
