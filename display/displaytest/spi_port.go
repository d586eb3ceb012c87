package displaytest

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// SPIPort is an spi.PortCloser and spi.Conn with one OLED on it, with four
// wires: the pin DC says what the bytes are. Nothing comes back from a panel on
// this bus, not even that it is there.
type SPIPort struct {
	DC    gpio.PinOut
	Reset gpio.PinOut // RES#: the panel ignores everything until it was low

	mu        sync.Mutex
	panel     *OLED
	data      bool
	low       bool // RES# is
	ready     bool
	connected bool
	closed    bool
	limit     int
	clock     physic.Frequency
	traffic   Traffic
}

// NewSPIPort connects a panel. Of one of the modules whose RES# is wired to a
// pin, the controller is in no state to be used before it was reset.
func NewSPIPort(panel *OLED, wiredReset bool) *SPIPort {
	p := &SPIPort{panel: panel, ready: !wiredReset, limit: 4096}
	p.DC = wire{PinIO: gpio.INVALID, name: "DC", set: func(l gpio.Level) { p.data = bool(l) }, mu: &p.mu}
	p.Reset = wire{PinIO: gpio.INVALID, name: "RES", set: p.setReset, mu: &p.mu}
	return p
}

var (
	_ spi.PortCloser = (*SPIPort)(nil)
	_ spi.Conn       = (*SPIPort)(nil)
	_ conn.Limits    = (*SPIPort)(nil)
)

// wire is a pin of the machine that leads to the panel.
type wire struct {
	gpio.PinIO // can do nothing
	name       string
	set        func(gpio.Level)
	mu         *sync.Mutex
}

func (w wire) String() string { return w.name }
func (w wire) Name() string   { return w.name }
func (w wire) Halt() error    { return nil }

func (w wire) Out(l gpio.Level) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set(l)
	return nil
}

func (p *SPIPort) setReset(l gpio.Level) {
	if p.low = !bool(l); p.low {
		p.panel.mu.Lock()
		defer p.panel.mu.Unlock()
		p.panel.reset()
		p.ready = true
	}
}

// Replug takes the supply away and gives it back. Nothing on the bus tells.
func (p *SPIPort) Replug() { p.panel.PowerOn() }

// Traffic is what went over the bus since it was asked for last.
func (p *SPIPort) Traffic() Traffic {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.traffic
	p.traffic = Traffic{}
	return t
}

// Clock is the one of Connect.
func (p *SPIPort) Clock() physic.Frequency {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clock
}

// Closed reports whether Close was called; transfers fail then.
func (p *SPIPort) Closed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Close implements spi.PortCloser.
func (p *SPIPort) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

func (p *SPIPort) String() string { return "simulated SPI port" }

// LimitSpeed implements spi.PortCloser.
func (p *SPIPort) LimitSpeed(physic.Frequency) error { return nil }

// Connect implements spi.Port. The SSD1306 takes at most 10 MHz (table 13-4)
// and samples at the rising edge.
func (p *SPIPort) Connect(clock physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.connected:
		return nil, errors.New("connected twice")
	case clock > 10*physic.MegaHertz || mode != spi.Mode0 && mode != spi.Mode3 || bits != 8:
		return nil, fmt.Errorf("this panel knows no SPI with %v, %v, %d bits", clock, mode, bits)
	}
	p.connected, p.clock = true, clock
	return p, nil
}

// Duplex implements conn.Conn.
func (p *SPIPort) Duplex() conn.Duplex { return conn.Full }

// MaxTxSize implements conn.Limits: that of the kernel's spidev as it comes.
func (p *SPIPort) MaxTxSize() int { return p.limit }

// Tx implements spi.Conn.
func (p *SPIPort) Tx(w, r []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return fmt.Errorf("transfer on a port that is closed: %w", syscall.EBADF)
	case len(w) > p.limit:
		return fmt.Errorf("%d bytes at once: %w", len(w), syscall.EMSGSIZE)
	}
	clear(r) // nobody drives that wire
	p.traffic.Transfers++
	p.traffic.Bytes += len(w)
	p.traffic.Bits += 8 * len(w)
	if p.ready && !p.low {
		p.panel.mu.Lock()
		defer p.panel.mu.Unlock()
		p.panel.take(p.data, w)
	}
	return nil
}

// TxPackets implements spi.Conn.
func (p *SPIPort) TxPackets(packets []spi.Packet) error {
	for _, packet := range packets {
		if err := p.Tx(packet.W, packet.R); err != nil {
			return err
		}
	}
	return nil
}
