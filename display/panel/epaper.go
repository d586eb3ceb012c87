package panel

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"slices"
	"time"

	"periph.io/x/conn/v3"
	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/gpio"
)

// Bounds of the waits for BUSY. A reset takes 10 ms by the datasheets. A full
// refresh takes 2 s at room temperature, and a few more near freezing, where
// the controller drives longer. BUSY rises at once when a refresh begins.
const (
	resetLimit   = time.Second
	refreshLimit = 10 * time.Second
	riseLimit    = 100 * time.Millisecond
	busyPoll     = 5 * time.Millisecond
)

// Times that are waited out whatever BUSY says. The reset is Waveshare's: much
// longer than this low, and boards with a power switch behind RST cut the panel
// off.
const (
	resetLow    = 2 * time.Millisecond
	resetAfter  = 20 * time.Millisecond
	refreshTime = 4 * time.Second // where BUSY tells nothing
)

// epaper draws on a Waveshare 2.13" panel: one full refresh for each picture
// that differs from the last, nothing for one that does not. Between two
// pictures the controller is in deep sleep, since under voltage the glass is
// damaged within days (Waveshare's manual, "Precautions"). It hears only a
// hardware reset then, so each picture starts with one and depends on nothing
// that was before: a panel that lost its power meanwhile is drawn all the same.
//
// Partial refreshes are left out. They leave ghosts, which a code's reader
// suffers from, and need a full one now and then anyway.
type epaper struct {
	epaperWires
	model *epaperModel

	picture *image.Gray // as it is drawn
	shown   []byte      // what is on the glass; nil: not known
	awake   bool
}

// epaperWires is how a panel is connected.
type epaperWires struct {
	conn      conn.Conn
	dc, reset outPin
	busy      inPin
	close     func() error // gives all of them back
}

var _ periph.Drawer = (*epaper)(nil)

// newEPaper draws on a panel. It sends nothing yet: the panel shows what it
// showed until the first Draw. The picture lies, 250 pixels wide and 122 high,
// the same way up as Waveshare's examples.
func newEPaper(m *epaperModel, wires epaperWires) *epaper {
	e := &epaper{epaperWires: wires, model: m, picture: image.NewGray(image.Rect(0, 0, epaperLength, epaperBreadth))}
	e.picture.Pix = bytes.Repeat([]byte{0xff}, len(e.picture.Pix))
	return e
}

func (e *epaper) String() string { return e.model.name }

// ColorModel implements periph.Drawer. From 50 % grey on a pixel is white.
func (e *epaper) ColorModel() color.Model { return color.GrayModel }

// Bounds implements periph.Drawer.
func (e *epaper) Bounds() image.Rectangle { return e.picture.Rect }

// Draw shows src at dst and keeps the rest of the picture. It takes 2 s, at
// most 12 s, and none when the picture stays as it is. After an error the next
// Draw shows the whole picture, with what failed.
func (e *epaper) Draw(dst image.Rectangle, src image.Image, sp image.Point) error {
	area, sp := clip(e, dst, src, sp)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		readRow(e.picture.Pix[e.picture.PixOffset(area.Min.X, y):][:area.Dx()], src, sp.Add(image.Pt(0, y-area.Min.Y)))
	}
	memory := e.memory()
	if bytes.Equal(memory, e.shown) {
		return nil
	}
	e.shown = nil
	if err := e.refresh(memory); err != nil {
		return err
	}
	e.shown = memory
	return nil
}

// Halt leaves the panel asleep and gives its wires back. Its picture stays.
func (e *epaper) Halt() error {
	var err error
	if e.awake {
		err = e.wake() // a refresh may be under way, and nothing else be heard
	}
	if e.awake && err == nil {
		err = e.sleep()
	}
	return errors.Join(err, e.close())
}

// memory is the picture as the controller keeps it: upright, 250 rows of 16
// bytes, the first pixel in the highest bit, 1 for white.
func (e *epaper) memory() []byte {
	out := bytes.Repeat([]byte{0xff}, epaperLength*epaperRow)
	for y := range epaperBreadth {
		for x, v := range e.picture.Pix[y*e.picture.Stride:][:epaperLength] {
			if v < 0x80 {
				out[(epaperLength-1-x)*epaperRow+y/8] &^= 0x80 >> (y % 8)
			}
		}
	}
	return out
}

// refresh shows a picture and leaves the panel asleep.
func (e *epaper) refresh(memory []byte) error {
	e.awake = true
	if err := e.wake(); err != nil {
		return err
	}
	for _, c := range slices.Concat(e.model.setUp, []epaperCommand{
		{writeMemory, memory},
		{updateSequence, []byte{e.model.sequence}},
		{activate, nil},
	}) {
		if err := e.send(c.command, c.parameters); err != nil {
			return err
		}
	}
	if err := e.waitRise(); err != nil {
		// It may draw all the same, with BUSY alone broken off.
		time.Sleep(refreshTime)
		_ = e.sleep() // the first error says more
		return err
	}
	if err := e.waitIdle(refreshLimit, "drawing"); err != nil {
		return err
	}
	return e.sleep()
}

// wake resets the controller, first by its pin, then by command for what a pin
// that was held for too short a time would leave.
func (e *epaper) wake() error {
	for _, step := range []struct {
		level gpio.Level
		hold  time.Duration
	}{{gpio.Low, resetLow}, {gpio.High, resetAfter}} {
		if err := e.reset.Out(step.level); err != nil {
			return fmt.Errorf("setting the reset pin %s: %w", e.reset, err)
		}
		time.Sleep(step.hold)
	}
	if err := e.waitIdle(resetLimit, "its reset"); err != nil {
		return err
	}
	if err := e.send(softReset, nil); err != nil {
		return err
	}
	time.Sleep(resetAfter)
	return e.waitIdle(resetLimit, "its reset")
}

func (e *epaper) sleep() error {
	// Mode 1. BUSY stays high from here on.
	if err := e.send(deepSleep, []byte{1}); err != nil {
		return err
	}
	e.awake = false
	return nil
}

// waitRise makes sure that a refresh began: SPI takes all bytes whether or not a
// panel is there.
func (e *epaper) waitRise() error {
	for deadline := time.Now().Add(riseLimit); ; time.Sleep(busyPoll) {
		level, err := e.busyLevel()
		if err != nil || level == gpio.High {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no panel answers: %s (BUSY) stays low while it should draw; "+
				"check the panel's plug and wires, and busy_pin", e.busy)
		}
	}
}

// waitIdle waits until the controller is done.
func (e *epaper) waitIdle(limit time.Duration, during string) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(busyPoll) {
		level, err := e.busyLevel()
		if err != nil || level == gpio.Low {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the panel hangs: %s (BUSY) is still high %v after %s; "+
				"check its wires, busy_pin and reset_pin, and that it is a %s", e.busy, limit, during, e.model.name)
		}
	}
}

func (e *epaper) busyLevel() (gpio.Level, error) {
	level, err := e.busy.Level()
	if err != nil {
		return gpio.Low, fmt.Errorf("reading the busy pin %s: %w", e.busy, err)
	}
	return level, nil
}

// send sends a command with D/C low, then its parameters with D/C high, in
// transfers as long as the port takes.
func (e *epaper) send(command byte, parameters []byte) error {
	most := 4096 // spidev's, if nobody knows better
	if l, ok := e.conn.(conn.Limits); ok && l.MaxTxSize() > 0 {
		most = l.MaxTxSize()
	}
	err := e.dc.Out(gpio.Low)
	if err == nil {
		err = e.conn.Tx([]byte{command}, nil)
	}
	if err == nil && len(parameters) > 0 {
		err = e.dc.Out(gpio.High)
	}
	for len(parameters) > 0 && err == nil {
		n := min(most, len(parameters))
		err = e.conn.Tx(parameters[:n], nil)
		parameters = parameters[n:]
	}
	if err != nil {
		return fmt.Errorf("sending command 0x%02x to the panel: %w", command, err)
	}
	return nil
}
