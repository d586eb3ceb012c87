package panel

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"slices"

	periph "periph.io/x/conn/v3/display"

	"lwa-agent/display"
)

// oledChip is in what the controllers of small OLED panels differ. Everything
// is drawn by pages of 8 lines, which is the only way that both know.
type oledChip struct {
	name   string
	column int    // of the memory, at which the glass begins
	first  []byte // sent while the display is off
	// settings may be sent at any time. The controller that was not asked for
	// must not take an argument for a command that spoils the picture: modules
	// are sold under the wrong name.
	settings []byte
}

// ssd1306 has its settings from the SSD1306's datasheet, rev 1.1, chapters 9
// and 10 and the application note at its end. The clock is the fastest: a
// camera sees dark bands otherwise. The memory's width is that of the glass.
func ssd1306() oledChip {
	return oledChip{
		name:  "ssd1306",
		first: []byte{0xae},
		settings: []byte{
			0xd5, 0xf0, // clock
			0xd3, 0x00, // no offset
			0x8d, 0x14, // charge pump on; an SH1106 knows no 8d, and 14 does no harm to it
			0x20, 0x02, // addressed by page; the same
			0xa1, 0xc8, // upright
			0x81, 0xff, // brightest
			0xd9, 0xf1, 0xdb, 0x40, // precharge and deselect voltage for the pump
			0x2e,             // no scrolling
			0x40, 0xa4, 0xa6, // start line 0, from memory, not inverted
		},
	}
}

// sh1106 has its settings from the SH1106's datasheet, V2.3. Its glass of 128
// columns lies in the middle of a memory of 132.
func sh1106() oledChip {
	return oledChip{
		name:   "sh1106",
		column: 2,
		first:  []byte{0xae, 0xad, 0x8b}, // its voltage may only be switched while it is off
		settings: []byte{
			0xd5, 0xf0, // clock
			0xd3, 0x00, // no offset
			0xa1, 0xc8, // upright
			0x81, 0xff, // brightest
			0xd9, 0x22, 0xdb, 0x35, // precharge and deselect voltage
			0x40, 0xa4, 0xa6, // start line 0, from memory, not inverted
		},
	}
}

// oledLink is the bus to a panel, with the panel's own way of telling commands
// from data.
type oledLink interface {
	send(data bool, w []byte) error

	// kept reports whether the panel is still as it was left. What lost its
	// supply in between has another picture and is off, yet takes every transfer.
	kept() (bool, error)

	explain(error) error
	Close() error
}

// oled is a periph.Drawer for a panel of 128x64 or 128x32 pixels. What is white
// in a picture is lit. It is switched on after the first picture was sent: its
// memory holds anything before. It sends what changed and no more.
type oled struct {
	chip   oledChip
	link   oledLink
	bounds image.Rectangle
	next   []byte // a byte is 8 pixels, the uppermost in its lowest bit; by page, then column
	shown  []byte

	set    bool // the settings are sent
	on     bool // shown is what is to be seen
	failed bool // the last transfer did, which was reported
}

// newOLED sets a panel up that may be in any state, and leaves it dark.
func newOLED(link oledLink, chip oledChip, height int) (*oled, error) {
	o := &oled{chip: chip, link: link, bounds: image.Rect(0, 0, 128, height)}
	o.next = make([]byte, 128*height/8)
	o.shown = make([]byte, len(o.next))
	// How the glass is wired, and how many lines it has: alternate commons with
	// 64, sequential ones with 32.
	wiring := []byte{0xda, 0x12, 0xa8, byte(height - 1)}
	if height == 32 {
		wiring[1] = 0x02
	}
	o.chip.settings = slices.Concat(wiring, chip.settings)
	if err := link.send(false, slices.Concat(chip.first, o.chip.settings)); err != nil {
		return nil, err
	}
	o.set = true
	return o, nil
}

func (o *oled) String() string          { return o.chip.name }
func (o *oled) ColorModel() color.Model { return color.GrayModel }
func (o *oled) Bounds() image.Rectangle { return o.bounds }

// Draw implements periph.Drawer.
func (o *oled) Draw(dst image.Rectangle, src image.Image, at image.Point) error {
	dst, at = clip(o, dst, src, at)
	for y := dst.Min.Y; y < dst.Max.Y; y++ {
		for x := dst.Min.X; x < dst.Max.X; x++ {
			b, bit := &o.next[y/8*128+x], byte(1)<<(y%8)
			if brightness(src, x-dst.Min.X+at.X, y-dst.Min.Y+at.Y) >= 0x80 {
				*b |= bit
			} else {
				*b &^= bit
			}
		}
	}
	if o.on && bytes.Equal(o.next, o.shown) {
		return nil
	}
	return o.update()
}

// Keep implements display.Keeper: it draws the picture again where the panel was
// away since, and fails while it is. All being well it sends a byte and reads
// one; where a panel cannot be asked, it sends everything.
func (o *oled) Keep() error {
	if !o.on {
		return nil // nothing was drawn, or that failed
	}
	return o.update()
}

// update makes next what is to be seen.
func (o *oled) update() error {
	if err := o.transmit(); err != nil {
		o.set, o.on, o.failed = false, false, true
		return o.link.explain(err)
	}
	o.failed = false
	copy(o.shown, o.next)
	return nil
}

func (o *oled) transmit() error {
	if o.on {
		kept, err := o.link.kept()
		if err != nil {
			return err
		}
		o.set, o.on = kept, kept
	}
	if !o.set {
		if err := o.link.send(false, o.chip.settings); err != nil {
			return err
		}
		o.set = true
	}
	for page := range o.bounds.Dy() / 8 {
		next, shown := o.next[page*128:][:128], o.shown[page*128:][:128]
		if !o.on {
			shown = nil
		}
		for from, to := run(next, shown, 0); from < to; from, to = run(next, shown, to) {
			column := byte(from + o.chip.column)
			if err := o.link.send(false, []byte{0xb0 | byte(page), column & 0x0f, 0x10 | column>>4}); err != nil {
				return err
			}
			if err := o.link.send(true, next[from:to]); err != nil {
				return err
			}
		}
	}
	if o.on {
		return nil
	}
	if err := o.link.send(false, []byte{0xaf}); err != nil {
		return err
	}
	o.on = true
	return nil
}

// runGap is the number of columns between two changes from which on two runs
// are shorter than one on the wire: a run costs 7 bytes, with addresses.
const runGap = 8

// run finds the first run of columns at or after the given one that must be
// sent: all of them where nothing is known to be shown.
func run(next, shown []byte, start int) (from, to int) {
	if shown == nil {
		return start, len(next)
	}
	for from = start; from < len(next) && next[from] == shown[from]; from++ {
	}
	to = from
	for x := from; x < len(next) && x < to+runGap; x++ {
		if next[x] != shown[x] {
			to = x + 1
		}
	}
	return from, to
}

// Halt switches the panel off and closes the bus.
func (o *oled) Halt() error {
	err := o.link.send(false, []byte{0xae})
	if o.failed {
		err = nil // it is not there, as was said
	}
	if err != nil {
		err = o.link.explain(err)
	}
	o.set, o.on = false, false
	if closeErr := o.link.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("closing the bus of %s: %w", o, closeErr)
	}
	return err
}

var (
	_ periph.Drawer  = (*oled)(nil)
	_ display.Keeper = (*oled)(nil)
)
