package displaytest

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/spi"
)

// EPaperPin is one of a panel's pins, as the computer sees it.
type EPaperPin struct {
	gpio.PinIO // what it cannot do, it says so

	name string
	out  func(gpio.Level)
	read func() gpio.Level
	wait func(time.Duration) bool
}

func (p *EPaperPin) String() string { return p.name }

// Name implements pin.Pin.
func (p *EPaperPin) Name() string { return p.name }

// Out implements gpio.PinOut.
func (p *EPaperPin) Out(l gpio.Level) error {
	if p.out == nil {
		return fmt.Errorf("%s is driven by the panel", p.name)
	}
	p.out(l)
	return nil
}

// In implements gpio.PinIn.
func (p *EPaperPin) In(gpio.Pull, gpio.Edge) error {
	if p.read == nil {
		return fmt.Errorf("%s is an input of the panel", p.name)
	}
	return nil
}

// Read implements gpio.PinIn.
func (p *EPaperPin) Read() gpio.Level { return p.read() }

// WaitForEdge implements gpio.PinIn.
func (p *EPaperPin) WaitForEdge(timeout time.Duration) bool { return p.wait(timeout) }

func (p *EPaper) setDC(l gpio.Level) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dc = l
}

// setReset resets when the pin goes low. That ends deep sleep; the memory keeps
// what it has.
func (p *EPaper) setReset(l gpio.Level) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unplugged || l == p.reset {
		return
	}
	p.reset = l
	p.settle()
	if l == gpio.Low {
		p.interrupt()
		p.asleep, p.have = false, false
		p.epaperRegisters = p.defaults()
	}
	p.busyUntil = time.Now().Add(resetTime)
}

func (p *EPaper) readBusy() gpio.Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy()
}

func (p *EPaper) busy() gpio.Level {
	switch {
	case p.stuck != nil:
		return *p.stuck
	case p.unplugged:
		return gpio.Low
	case p.asleep: // until the reset
		return gpio.High
	default:
		return gpio.Level(p.working())
	}
}

func (p *EPaper) working() bool { return time.Now().Before(p.busyUntil) }

// waitBusy waits for the falling edge of BUSY.
func (p *EPaper) waitBusy(timeout time.Duration) bool {
	p.mu.Lock()
	rest, comes := time.Until(p.busyUntil), p.busy() == gpio.High && p.stuck == nil && !p.asleep
	p.mu.Unlock()
	if comes && (timeout < 0 || rest <= timeout) {
		time.Sleep(rest)
		return true
	}
	if timeout < 0 {
		select {} // as the datasheets of the pins have it
	}
	time.Sleep(timeout)
	return false
}

// epaperConn is the wire. Chip select is the kernel's, as with spidev.
type epaperConn struct{ panel *EPaper }

func (c epaperConn) String() string       { return c.panel.String() }
func (c epaperConn) Duplex() conn.Duplex  { return conn.Half }
func (c epaperConn) MaxTxSize() int       { return maxTransfer }
func (c epaperConn) Tx(w, r []byte) error { return c.panel.transfer(w, r) }

func (c epaperConn) TxPackets(packets []spi.Packet) error {
	for _, packet := range packets {
		if err := c.Tx(packet.W, packet.R); err != nil {
			return err
		}
	}
	return nil
}

func (p *EPaper) transfer(w, r []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(r) > 0:
		return fmt.Errorf("nothing can be read: the board does not connect the controller's output")
	case len(w) == 0 || len(w) > maxTransfer:
		return fmt.Errorf("a transfer of %d bytes; the kernel takes 1 to %d", len(w), maxTransfer)
	case p.failure != nil && p.failAfter <= 0:
		return p.failure
	}
	p.failAfter--
	p.bytes += len(w)
	if p.unplugged {
		return nil
	}
	p.settle()
	for i, b := range w {
		if p.asleep || p.reset == gpio.Low {
			break // it hears nothing
		}
		if p.working() {
			p.have = false
			p.fault("%d bytes from 0x%02x on while BUSY: they are lost", len(w)-i, b)
			break
		}
		p.receive(b)
	}
	return nil
}

// receive takes a byte: a command with D/C low, else a parameter of the last
// one. It acts on each parameter as it comes.
func (p *EPaper) receive(b byte) {
	if p.dc == gpio.Low {
		p.endCommand()
		p.command, p.params, p.have = b, 0, true
		p.begin()
		return
	}
	if !p.have {
		p.fault("parameter 0x%02x without a command", b)
		return
	}
	if want := p.wants(); want >= 0 && p.params >= want {
		p.fault("command 0x%02x got more than %d parameters", p.command, want)
		return
	}
	p.parameter(p.params, b)
	p.params++
}

// endCommand looks whether the last command was complete.
func (p *EPaper) endCommand() {
	if !p.have {
		return
	}
	if want := p.wants(); p.params < want {
		p.fault("command 0x%02x got %d of %d parameters", p.command, p.params, want)
	}
}
