package panel

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
)

// spiNodes are the ports that the kernel's spidev offers.
func spiNodes() nodes {
	return nodes{
		like: "/dev/spidev*", subsystem: "spidev", group: "spi",
		cure: "switch SPI on with raspi-config, or with dtparam=spi=on in /boot/firmware/config.txt, and reboot",
	}
}

// spiBuffer is the most bytes that spidev takes at once, unless its parameter
// bufsiz says otherwise.
const spiBuffer = 4096

// Requests of linux/spi/spidev.h.
const (
	spiMessage  = 0x40206b00 // with one spiTransfer, of 32 bytes
	spiSetMode  = 0x40016b01
	spiSetWidth = 0x40016b03
	spiSetClock = 0x40046b04
)

// spiTransfer is struct spi_ioc_transfer: pointers have 64 bits everywhere.
type spiTransfer struct {
	tx, rx     uint64
	length     uint32
	clock      uint32 // Hz
	_          uint16 // delay
	width      uint8
	_          uint8 // CS is to be kept afterwards
	_, _, _, _ uint8
}

// spiPort is a conn.Conn over spidev. A panel that is not there is no error:
// nothing on this bus tells.
type spiPort struct {
	file  *os.File
	clock uint32 // Hz
	limit int
}

// openSPI opens a port such as /dev/spidev0.0, which is bus 0 with CE0, for
// words of 8 bits in mode 0.
func openSPI(path string, clock physic.Frequency) (spiConn, error) {
	f, err := spiNodes().open(path)
	if err != nil {
		return nil, err
	}
	p := &spiPort{file: f, clock: uint32(clock / physic.Hertz), limit: spiBuffer}
	mode, width := uint8(0), uint8(8)
	err = requestAt(f, spiSetMode, &mode)
	if err == nil {
		err = requestAt(f, spiSetWidth, &width)
	}
	if err == nil {
		err = requestAt(f, spiSetClock, &p.clock)
	}
	switch {
	case errors.Is(err, unix.ENOTTY):
		return nil, errors.Join(fmt.Errorf("%s is no SPI port; one is called /dev/spidev0.0: %w", path, err), f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("setting up %s for mode 0, %d Hz: %w", path, p.clock, err), f.Close())
	}
	if text, err := os.ReadFile("/sys/module/spidev/parameters/bufsiz"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n > 0 {
			p.limit = n
		}
	}
	return p, nil
}

func (p *spiPort) String() string { return p.file.Name() }

// Close gives the port back.
func (p *spiPort) Close() error { return p.file.Close() }

// Duplex implements conn.Conn.
func (p *spiPort) Duplex() conn.Duplex { return conn.Full }

// MaxTxSize implements conn.Limits.
func (p *spiPort) MaxTxSize() int { return p.limit }

// Tx implements conn.Conn. More than MaxTxSize bytes are EMSGSIZE.
func (p *spiPort) Tx(w, r []byte) error {
	t := spiTransfer{length: uint32(max(len(w), len(r))), clock: p.clock}
	switch {
	case t.length == 0:
		return nil
	case len(w) > 0 && len(r) > 0 && len(w) != len(r):
		return fmt.Errorf("%d bytes out and %d in cannot be at the same time: %w", len(w), len(r), unix.EINVAL)
	case int(t.length) > p.limit:
		return fmt.Errorf("%d bytes at once to %s, which takes %d: %w", t.length, p, p.limit, unix.EMSGSIZE)
	}
	var pins runtime.Pinner // the kernel sees the addresses as numbers
	defer pins.Unpin()
	if len(w) > 0 {
		pins.Pin(&w[0])
		t.tx = uint64(uintptr(unsafe.Pointer(&w[0])))
	}
	if len(r) > 0 {
		pins.Pin(&r[0])
		t.rx = uint64(uintptr(unsafe.Pointer(&r[0])))
	}
	if err := requestAt(p.file, spiMessage, &t); err != nil {
		return fmt.Errorf("writing to %s: %w", p, err)
	}
	return nil
}
