package displaytest

import (
	"bytes"
	"image"
	"time"
)

// ramRows is the number of gates that the memory has room for.
const ramRows = 296

// columns is the number of bytes in a row of the memory.
func (p *EPaper) columns() int {
	if p.model == SSD1675B {
		return 160 / 8
	}
	return 176 / 8
}

// epaperRegisters is what a reset sets back.
type epaperRegisters struct {
	gates       int  // driven, by command 0x01
	upsideDown  bool // the same command's TB
	entry       byte // 0x11: 0 X and 1 Y count up, 2 Y first
	x0, x1      int  // 0x44, window in bytes
	y0, y1      int  // 0x45
	x, y        int  // 0x4E, 0x4F
	ramOption   byte // 0x21, first parameter
	sources     byte // 0x21, second parameter
	sequence    byte // 0x22
	clock, pump bool
	waveform    []byte
}

func (p *EPaper) defaults() epaperRegisters {
	return epaperRegisters{gates: ramRows, entry: 3, x1: p.columns() - 1, y1: ramRows - 1, sequence: 0xff}
}

// any says that a command takes as many parameters as come.
const anyNumber = -1

// wants is the number of parameters of the current command.
func (p *EPaper) wants() int {
	old := p.model == SSD1675B
	switch p.command {
	case 0x12, 0x20, 0x7f:
		return 0
	case 0x03, 0x10, 0x11, 0x14, 0x15, 0x18, 0x22, 0x2c, 0x3c, 0x3f, 0x4e:
		return 1
	case 0x3a, 0x3b, 0x74, 0x7e: // timing and blocks, of the old one alone
		if old {
			return 1
		}
	case 0x1a, 0x44, 0x4f:
		return 2
	case 0x01, 0x04:
		return 3
	case 0x0c, 0x45:
		return 4
	case 0x21:
		if old {
			return 1
		}
		return 2
	case 0x32:
		return p.waveformForm().size()
	case 0x37:
		if old {
			return 7
		}
		return 10
	}
	return anyNumber
}

// begin does what a command does without parameters.
func (p *EPaper) begin() {
	switch p.command {
	case 0x12: // all but the memory and the mode of deep sleep
		p.epaperRegisters = p.defaults()
		p.busyUntil = time.Now().Add(resetTime)
	case 0x14, 0x15:
		p.busyUntil = time.Now().Add(resetTime)
	case 0x20:
		p.activate()
	case 0x32: // what is not written stays
		if p.waveform == nil {
			p.waveform = make([]byte, p.waveformForm().size())
		}
	case 0x24, 0x26:
	default:
		if p.wants() == anyNumber {
			p.fault("command 0x%02x is not known here", p.command)
		}
	}
}

// parameter takes the parameter number i of the current command.
func (p *EPaper) parameter(i int, b byte) {
	low := func(r *int) { *r = *r&^0xff | int(b) }
	high := func(r *int) { *r = *r&0xff | int(b&1)<<8 }
	switch p.command {
	case 0x01:
		switch i {
		case 0:
			p.gates = int(b) + 1
		case 1:
			p.gates += int(b&1) << 8
		case 2:
			p.upsideDown = b&1 != 0
			if b&6 != 0 {
				p.fault("gates in another order (0x01, 0x%02x) are not known here", b)
			}
		}
	case 0x10:
		p.asleep = b&3 != 0
		if b&3 == 3 { // mode 2 keeps no memory
			p.scramble()
		}
	case 0x11:
		p.entry = b & 7
	case 0x21:
		if i == 0 {
			p.ramOption = b
		} else {
			p.sources = b
		}
	case 0x22:
		p.sequence = b
	case 0x24:
		p.store(p.black, b)
	case 0x26:
		p.store(p.red, b)
	case 0x32:
		p.waveform[i] = b
	case 0x44:
		*[]*int{&p.x0, &p.x1}[i] = int(b & 0x3f)
	case 0x45:
		[]func(*int){low, high}[i%2]([]*int{&p.y0, &p.y1}[i/2])
	case 0x4e:
		p.x = int(b & 0x3f)
	case 0x4f:
		[]func(*int){low, high}[i](&p.y)
	}
}

// store writes a byte where the address counters are and moves them, within the
// window and round its ends.
func (p *EPaper) store(memory []byte, b byte) {
	if p.x >= p.columns() || p.y >= ramRows {
		p.fault("memory written at byte %d of row %d, which there is not", p.x, p.y)
		return
	}
	memory[p.y*p.columns()+p.x] = b
	step := func(at *int, from, to int, up bool) (round bool) {
		switch {
		case *at == to:
			*at = from
			return true
		case up:
			*at++
		default:
			*at--
		}
		return false
	}
	stepX := func() bool { return step(&p.x, p.x0, p.x1, p.entry&1 != 0) }
	stepY := func() bool { return step(&p.y, p.y0, p.y1, p.entry&2 != 0) }
	if p.entry&4 != 0 {
		stepX, stepY = stepY, stepX
	}
	if stepX() {
		stepY()
	}
	p.x, p.y = p.x&0x3f, p.y&0x1ff
}

// activate runs the sequence that command 0x22 chose, bit by bit.
func (p *EPaper) activate() {
	s := p.sequence
	p.clock, p.pump = p.clock || s&0x80 != 0, p.pump || s&0x40 != 0
	took := resetTime
	if s&0x10 != 0 {
		p.waveform = p.otp(s&0x08 != 0)
	}
	if s&0x04 != 0 {
		took += p.refresh()
	}
	p.pump, p.clock = p.pump && s&0x02 == 0, p.clock && s&0x01 == 0
	p.busyUntil = time.Now().Add(took)
}

// refresh starts to drive each pixel to what the waveform says for its two bits
// of memory, and says for how long.
//
//go:norace
func (p *EPaper) refresh() time.Duration {
	driven, frames := p.waveformForm().drives(p.waveform)
	switch {
	case !p.clock || !p.pump:
		p.fault("a refresh with clock or charge pump off: nothing moves")
		return 0
	case frames == 0:
		p.fault("a refresh with no waveform: nothing moves")
		return 0
	}
	p.refreshes++
	p.next = image.NewGray(p.glass.Rect)
	copy(p.next.Pix, p.glass.Pix)
	for y := range min(EPaperHeight, p.gates) {
		row := y
		if p.upsideDown {
			row = p.gates - 1 - y
		}
		for x := range EPaperWidth {
			column := x
			if p.model != SSD1675B && p.sources&0x80 == 0 {
				column += shiftedSources
			}
			old := option(p.bit(p.red, column, row), p.ramOption>>4)
			now := option(p.bit(p.black, column, row), p.ramOption)
			at := p.glass.PixOffset(x, y)
			switch driven[old<<1|now] {
			case towardsBlack:
				p.next.Pix[at] = 0
			case towardsWhite:
				p.next.Pix[at] = 0xff
			case towardsNothing:
				continue
			}
			p.glass.Pix[at] = 0x80
		}
	}
	return time.Duration(frames) * frameTime
}

//go:norace
func (p *EPaper) bit(memory []byte, x, y int) byte {
	return memory[y*p.columns()+x/8] >> (7 - x%8) & 1
}

// option is what command 0x21 makes of a bit of memory.
//
//go:norace
func option(bit, option byte) byte {
	switch option & 0x0f {
	case 0x4:
		return 0
	case 0x8:
		return bit ^ 1
	default:
		return bit
	}
}

// settle ends a refresh whose time is over.
func (p *EPaper) settle() {
	if p.next != nil && !p.working() {
		p.glass, p.next = p.next, nil
	}
}

// interrupt breaks off a refresh: what was moving stays where it was, grey.
func (p *EPaper) interrupt() {
	p.settle()
	if p.next != nil && bytes.IndexByte(p.glass.Pix, 0x80) >= 0 {
		p.fault("a refresh was broken off; the glass keeps half a picture")
	}
	p.next = nil
}
