package displaytest

import (
	"fmt"
	"image"
	"math/rand/v2"
	"sync"
)

// OLED is a small monochrome panel with its controller: an SSD1306 (Solomon
// Systech, rev 1.1, chapters 8 to 10) or an SH1106 (Sino Wealth, V2.3). It is
// written from their command tables and from nothing that drives one.
// Connect it with an I2CBus or an SPIPort.
//
// Its glass is mounted as on the modules sold: upright with the segments
// remapped (A1) and the commons scanned backwards (C8). Its memory holds
// anything after power-on.
type OLED struct {
	mu     sync.Mutex
	chip   chip
	width  int // of the glass
	height int
	seed   uint64
	ram    [8][132]byte
	registers

	pending    []byte // a command whose arguments have not all come
	missing    int
	complaints []string
}

// registers have their values after a reset as their start.
type registers struct {
	on, inverse, allOn, pump bool
	remap, backwards         bool
	startLine, offset        int
	lines                    int // that are driven, from the multiplex ratio
	alternate, swapSides     bool
	clock, contrast          byte
	scrolling                bool

	mode                byte // of addressing: 0 horizontal, 1 vertical, 2 page
	page, column        int
	firstPage, lastPage int
	firstColumn         int
	lastColumn          int
	savedColumn         int // of read-modify-write; -1 outside it
}

// NewSSD1306 is a panel of 128x64 or 128x32 pixels, switched on a moment ago.
func NewSSD1306(height int) *OLED { return newOLED(ssd1306(), height) }

// NewSH1106 is a panel of 128x64 pixels in the middle of a memory of 132
// columns, as on nearly all modules with this controller.
func NewSH1106() *OLED { return newOLED(sh1106(), 64) }

func newOLED(c chip, height int) *OLED {
	o := &OLED{chip: c, width: 128, height: height}
	o.PowerOn()
	return o
}

// PowerOn is what happens when the supply comes back: registers as after a
// reset, memory at random.
func (o *OLED) PowerOn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seed++
	random := rand.New(rand.NewPCG(o.seed, 1306))
	for page := range o.ram {
		for column := range o.ram[page] {
			o.ram[page][column] = byte(random.Uint32())
		}
	}
	o.reset()
}

// reset is what RES# low does: the memory stays.
func (o *OLED) reset() {
	o.registers = registers{
		lines: 64, alternate: true, clock: 0x80, contrast: o.chip.contrast, pump: o.chip.pump,
		mode: 2, lastPage: 7, lastColumn: o.chip.columns - 1, savedColumn: -1,
	}
	o.pending, o.missing = nil, 0
}

// Bounds are those of the glass.
func (o *OLED) Bounds() image.Rectangle { return image.Rect(0, 0, o.width, o.height) }

// On reports whether anything can be lit: the display is switched on, and what
// makes its voltage, too.
func (o *OLED) On() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.on && o.pump
}

// Clock is the value of the clock register: its upper half is the speed, whose
// fastest, 15, keeps dark bands out of a camera's pictures best.
func (o *OLED) Clock() byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clock
}

// Complaints are the things done so far that the datasheet does not provide
// for, in their order: unknown commands, values out of range.
func (o *OLED) Complaints() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.complaints...)
}

func (o *OLED) complain(format string, args ...any) {
	o.complaints = append(o.complaints, fmt.Sprintf(format, args...))
}

// Picture is what a person sees, who holds the panel upright: 0xff is lit.
//
//go:norace
func (o *OLED) Picture() *image.Gray {
	o.mu.Lock()
	defer o.mu.Unlock()
	picture := image.NewGray(image.Rect(0, 0, o.width, o.height))
	for y := range o.height {
		for x := range o.width {
			if o.lit(x, y) {
				picture.Pix[y*picture.Stride+x] = 0xff
			}
		}
	}
	return picture
}

// lit follows a pixel of the glass back to its bit. The glass of 64 lines is
// wired for the alternate layout of the common pins, that of 32 lines for the
// sequential one (SSD1306 table 10-3): with the wrong layout, half of the lines
// are elsewhere, or nowhere.
//
//go:norace
func (o *OLED) lit(x, y int) bool {
	if !o.on || !o.pump {
		return false
	}
	common := pin(o.height-1-y, o.height == 64, false) // upright is backwards
	line, driven := o.lineAt(common)
	if !driven {
		return false
	}
	if o.allOn {
		return true
	}
	segment := o.chip.columns - 1 - (x + (o.chip.columns-o.width)/2)
	column := segment
	if o.remap {
		column = o.chip.columns - 1 - segment
	}
	if o.scrolling { // on its way
		column = (column + 1) % o.chip.columns
	}
	row := (line + o.startLine) % 64
	return o.ram[row/8][column]>>(row%8)&1 == 1 != o.inverse
}

// pin is the common pin that carries the nth of the 64 outputs.
//
//go:norace
func pin(n int, alternate, swapSides bool) int {
	if alternate {
		n = n/2 + n%2*32
	}
	if swapSides {
		n ^= 32
	}
	return n
}

// lineAt is the line that is driven on a common pin (SSD1306 tables 10-1 and
// 10-2): offset turns the lines round, and those beyond the multiplex ratio
// are not driven.
//
//go:norace
func (o *OLED) lineAt(common int) (line int, driven bool) {
	for n := range 64 {
		if pin(n, o.alternate, o.swapSides) != common {
			continue
		}
		line = n
		if o.backwards {
			line = o.lines - 1 - n
		}
		line = (line + o.offset + 64) % 64
		return line, line < o.lines
	}
	return 0, false
}

// data takes a byte for the memory.
func (o *OLED) data(b byte) {
	if o.missing > 0 {
		o.complain("data while command %#02x waits for %d arguments", o.pending[0], o.missing)
	}
	if o.column >= o.chip.columns {
		o.complain("data for column %d of %d", o.column, o.chip.columns)
		o.column %= o.chip.columns
	}
	o.ram[o.page][o.column] = b
	switch o.mode {
	case 0:
		if o.column++; o.column > o.lastColumn || o.column == o.chip.columns {
			o.column = o.firstColumn
			o.nextPage()
		}
	case 1:
		if o.page == o.lastPage || o.page == 7 {
			if o.column++; o.column > o.lastColumn || o.column == o.chip.columns {
				o.column = o.firstColumn
			}
		}
		o.nextPage()
	default:
		o.column = (o.column + 1) % o.chip.columns
	}
}

func (o *OLED) nextPage() {
	if o.page++; o.page > o.lastPage || o.page == 8 {
		o.page = o.firstPage
	}
}

// status is the byte that can be read: bit 6 says that the display is off. The
// others are reserved; real ones differ, those here are often seen.
func (o *OLED) status() byte {
	if o.on {
		return o.chip.id
	}
	return o.chip.id | 0x40
}
