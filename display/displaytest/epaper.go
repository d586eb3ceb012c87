package displaytest

import (
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// EPaperModel is a controller with the glass that Waveshare puts it behind.
type EPaperModel int

// The models differ in the size of their memory, in the form of the waveform
// register, in which source output drives the first column of the glass, and in
// whether the one-time programmable memory (OTP) holds waveforms. For v2 and v3
// that is taken from Waveshare's software, which brings its own.
const (
	// SSD1675B is the 2.13" panel v2: 160 sources, a waveform register of 70
	// bytes as Waveshare's software for it fills it, no waveform in the OTP.
	SSD1675B EPaperModel = iota
	// SSD1680 is v3: 176 sources, a waveform register of 153 bytes, no waveform
	// in the OTP.
	SSD1680
	// SSD1680Z is v4: as v3, with waveforms in the OTP.
	SSD1680Z
)

// Glass of all the 2.13" panels, in pixels; it stands upright.
const (
	EPaperWidth  = 122
	EPaperHeight = 250
)

// shiftedSources is how many of a SSD1680's sources come before the first that
// the glass is wired to, as Waveshare's software has it: it selects "source
// from S8 to S167" by command 0x21.
const shiftedSources = 8

// Durations of what takes the controller long. The datasheets bound reset and
// power-up by 10 ms; a frame is 20 ms at the usual 50 Hz.
const (
	resetTime = 10 * time.Millisecond
	frameTime = 20 * time.Millisecond
)

// maxTransfer is the size of spidev's buffer unless the kernel is told
// otherwise: longer transfers fail with EMSGSIZE.
const maxTransfer = 4096

// EPaper is a simulated e-paper panel on an SPI port with its three pins. It is
// written from the command table that the controllers share (Solomon Systech
// SSD1675B, SSD1680), not from our driver; periph's drivers speak for it.
//
// It follows what a command does to the picture: memory, windows, counters, the
// waveform that decides what a pixel is driven to. Voltages, temperature and
// timing registers are taken and have no effect. What the datasheet forbids or
// this model does not know is left undone and kept as a fault.
//
// The memory is random at power-on, and the glass shows what it showed before.
// It is safe for concurrent use, and in a synctest bubble its time is virtual.
type EPaper struct {
	DC, Reset *EPaperPin // outputs of the computer
	Busy      *EPaperPin // its input

	mu     sync.Mutex
	model  EPaperModel
	random *rand.Rand

	connected  bool
	unplugged  bool
	dc         gpio.Level
	reset      gpio.Level
	stuck      *gpio.Level // what BUSY is stuck at
	failAfter  int         // transfers that still succeed, with failure set
	failure    error
	bytes      int
	refreshes  int
	faults     []string
	glass      *image.Gray
	next       *image.Gray // what the glass shows when the refresh under way is over
	busyUntil  time.Time
	asleep     bool
	black, red []byte // the two memories, 0x24 and 0x26

	command byte
	have    bool // a command was received
	params  int  // parameters received for it
	epaperRegisters
}

// NewEPaper switches a panel on for the first time: its glass shows noise.
func NewEPaper(model EPaperModel) *EPaper {
	p := &EPaper{model: model, random: rand.New(rand.NewPCG(1680, uint64(model)))}
	p.DC = &EPaperPin{PinIO: gpio.INVALID, name: "DC", out: p.setDC}
	p.Reset = &EPaperPin{PinIO: gpio.INVALID, name: "RST", out: p.setReset}
	p.Busy = &EPaperPin{PinIO: gpio.INVALID, name: "BUSY", read: p.readBusy, wait: p.waitBusy}
	p.glass = image.NewGray(image.Rect(0, 0, EPaperWidth, EPaperHeight))
	blackOrWhite(p.random, p.glass.Pix)
	p.PowerCycle()
	return p
}

// PowerCycle takes the power away for a moment: the memory is lost, the picture
// stays, unless it was being changed.
func (p *EPaper) PowerCycle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupt()
	p.black, p.red = make([]byte, p.columns()*ramRows), make([]byte, p.columns()*ramRows)
	p.scramble()
	p.asleep, p.have = false, false
	p.epaperRegisters = p.defaults()
	p.reset = gpio.High // pulled up on the board
	p.busyUntil = time.Now().Add(resetTime)
}

// scramble makes the memories what they are when the power comes: anything.
//
//go:norace
func (p *EPaper) scramble() {
	for i := range p.black {
		bits := p.random.Uint32()
		p.black[i], p.red[i] = byte(bits), byte(bits>>8)
	}
}

// Unplug takes the panel off the computer: the wire takes every transfer, as
// SPI always does, and BUSY is what the computer's pull-down makes it.
func (p *EPaper) Unplug() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupt()
	p.unplugged = true
}

// Plug is the opposite of Unplug.
func (p *EPaper) Plug() {
	p.mu.Lock()
	p.unplugged = false
	p.mu.Unlock()
	p.PowerCycle()
}

// StickBusy holds BUSY at a level, as a broken wire or a dead panel does.
func (p *EPaper) StickBusy(at gpio.Level) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = &at
}

// FreeBusy ends StickBusy.
func (p *EPaper) FreeBusy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stuck = nil
}

// FailAfter lets n more transfers succeed, then all fail with err; nil ends
// that.
func (p *EPaper) FailAfter(n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failAfter, p.failure = n, err
}

// Glass is the picture that can be seen now, upright. Pixels that a refresh is
// at, or was at when it was broken off, are grey.
func (p *EPaper) Glass() *image.Gray {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	picture := *p.glass
	picture.Pix = slices.Clone(p.glass.Pix)
	return &picture
}

// Refreshes is how often the glass was driven: each takes seconds and flickers.
func (p *EPaper) Refreshes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshes
}

// Bytes is how many bytes came over the wire.
func (p *EPaper) Bytes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// Asleep reports deep sleep. Outside it the charge pump may keep the glass
// under high voltage, which Waveshare says damages it within days.
func (p *EPaper) Asleep() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asleep
}

// Faults is what was done to the controller against its datasheet.
func (p *EPaper) Faults() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

func (p *EPaper) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// String implements spi.Port.
func (p *EPaper) String() string { return "simulated e-paper" }

// Connect implements spi.Port. The controllers take mode 0 or 3, words of 8
// bits, and at most 20 MHz in writing.
func (p *EPaper) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.connected:
		return nil, errors.New("a port can be connected once only")
	case mode != spi.Mode0 && mode != spi.Mode3, bits != 8, f > 20*physic.MegaHertz:
		return nil, fmt.Errorf("the controller does not take mode %v, %d bits, %v", mode, bits, f)
	}
	p.connected = true
	return epaperConn{p}, nil
}
