package displaytest

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// I2CBus is an i2c.BusCloser with panels on it. What the wires would do to a
// driver is done to it: no answer, a bus that breaks down in the middle.
type I2CBus struct {
	mu      sync.Mutex
	panels  map[uint16]*OLED
	after   func()
	fails   int // transfers from now until err; 0: never
	err     error
	refuses bool // reads are not answered
	closed  bool
	traffic Traffic
}

// Traffic is what went over a bus.
type Traffic struct {
	Transfers int
	Bytes     int // without those of addresses, as drivers count
	Bits      int // of the wire, with addresses, acknowledgements, start and stop
}

// At is how long the wire was busy at that clock.
func (t Traffic) At(clock physic.Frequency) time.Duration {
	return time.Duration(t.Bits) * clock.Period()
}

// NewI2CBus is a bus with nothing on it.
func NewI2CBus() *I2CBus { return &I2CBus{panels: make(map[uint16]*OLED)} }

var _ i2c.BusCloser = (*I2CBus)(nil)

// Plug connects a panel at an address: 0x3c, or 0x3d where SA0 is high.
func (b *I2CBus) Plug(address uint16, panel *OLED) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.panels[address] = panel
}

// Unplug takes the panel at an address away. It loses its supply, and starts
// anew when it is plugged in again.
func (b *I2CBus) Unplug(address uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if panel := b.panels[address]; panel != nil {
		panel.PowerOn()
	}
	delete(b.panels, address)
}

// FailAfter lets so many transfers pass and fails all others with err; nil ends
// that.
func (b *I2CBus) FailAfter(transfers int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails, b.err = transfers, err
}

// RefuseReads makes the panels answer no reads, as some modules do.
func (b *I2CBus) RefuseReads() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuses = true
}

// After has do called after each transfer, by whoever transfers.
func (b *I2CBus) After(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.after = do
}

// Traffic is what went over the bus since it was asked for last.
func (b *I2CBus) Traffic() Traffic {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.traffic
	b.traffic = Traffic{}
	return t
}

// Closed reports whether Close was called; transfers fail then.
func (b *I2CBus) Closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Close implements i2c.BusCloser.
func (b *I2CBus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// Reopen undoes Close, as opening the device again does.
func (b *I2CBus) Reopen() *I2CBus {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = false
	return b
}

func (b *I2CBus) String() string { return "simulated I2C bus" }

// SetSpeed implements i2c.Bus. As on nearly all machines, it cannot be set.
func (b *I2CBus) SetSpeed(physic.Frequency) error { return errors.New("the speed cannot be set") }

// Tx implements i2c.Bus. An address at which nothing is connected is not
// acknowledged: ENXIO, as the kernel says it (fault-codes of its I2C manual).
func (b *I2CBus) Tx(address uint16, w, r []byte) error {
	after, err := b.transfer(address, w, r)
	if after != nil {
		after()
	}
	return err
}

func (b *I2CBus) transfer(address uint16, w, r []byte) (after func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("transfer on a bus that is closed: %w", syscall.EBADF)
	}
	if b.err != nil {
		if b.fails == 0 {
			return nil, b.err
		}
		b.fails--
	}
	panel := b.panels[address]
	b.traffic.Transfers++
	if panel == nil || len(r) > 0 && b.refuses {
		b.traffic.Bits += 9 + 2
		return nil, syscall.ENXIO
	}
	b.traffic.Bytes += len(w) + len(r)
	b.traffic.Bits += 2 // start and stop
	if len(w) > 0 {
		b.traffic.Bits += 9 * (1 + len(w))
		panel.write(w)
	}
	if len(r) > 0 {
		b.traffic.Bits += 9 * (1 + len(r))
		panel.read(r)
	}
	return b.after, nil
}

// write takes what follows the address (SSD1306 8.1.5.2): control bytes with
// Co, whether another follows the next byte, and D/C, whether that is for the
// memory.
func (o *OLED) write(w []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(w) > 0 {
		control := w[0]
		w = w[1:]
		if control&0x3f != 0 {
			o.complain("control byte %#02x", control)
		}
		n := len(w)
		if control&0x80 != 0 {
			n = min(1, n)
		}
		o.take(control&0x40 != 0, w[:n])
		w = w[n:]
	}
}

func (o *OLED) read(r []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range r {
		r[i] = o.status()
	}
}

func (o *OLED) take(data bool, bytes []byte) {
	for _, b := range bytes {
		if data {
			o.data(b)
		} else {
			o.command(b)
		}
	}
}
