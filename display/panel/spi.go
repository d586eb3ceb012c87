package panel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
)

// spiNodes are the ports that the kernel's spidev offers.
func spiNodes() nodes {
	return nodes{
		like: "/dev/spidev*", subsystem: "spidev", group: "spi",
		cure: "switch SPI on with raspi-config, or with dtparam=spi=on in /boot/firmware/config.txt, and start anew",
	}
}

// spiBuffer is the most bytes that spidev takes at once, unless its parameter
// bufsiz says otherwise.
const spiBuffer = 4096

// Requests of linux/spi/spidev.h.
const (
	spiMessage  = 0x40006b00 // with the size of the transfers at bit 16
	spiSetMode  = 0x40016b01
	spiSetWidth = 0x40016b03
	spiSetClock = 0x40046b04
)

// spiTransfer is struct spi_ioc_transfer: pointers have 64 bits everywhere.
type spiTransfer struct {
	tx, rx     uint64
	length     uint32
	clock      uint32 // Hz
	delay      uint16
	width      uint8
	deselect   uint8 // CS is let go after this one; if it is the last: kept
	_, _, _, _ uint8
}

// spiPort is an spi.Conn over spidev. A panel that is not there is no error:
// nothing on this bus tells.
type spiPort struct {
	file  *os.File
	clock uint32
	limit int
	mu    sync.Mutex
}

// openSPI opens a port such as /dev/spidev0.0, which is bus 0 with CE0, for
// words of 8 bits.
func openSPI(path string, clock physic.Frequency, mode spi.Mode) (spi.Conn, io.Closer, error) {
	f, err := spiNodes().open(path)
	if err != nil {
		return nil, nil, err
	}
	p := &spiPort{file: f, clock: uint32(clock / physic.Hertz), limit: spiBuffer}
	width := uint8(8)
	m := uint8(mode)
	for _, set := range []struct {
		request uintptr
		value   unsafe.Pointer
	}{
		{spiSetMode, unsafe.Pointer(&m)},
		{spiSetWidth, unsafe.Pointer(&width)},
		{spiSetClock, unsafe.Pointer(&p.clock)},
	} {
		if err := p.request(set.request, set.value); err != nil {
			if errors.Is(err, unix.ENOTTY) {
				err = fmt.Errorf("%s is no SPI port; one is called /dev/spidev0.0: %w", path, err)
			} else {
				err = fmt.Errorf("setting up %s for mode %d, %d Hz: %w", path, m, p.clock, err)
			}
			return nil, nil, errors.Join(err, f.Close())
		}
	}
	if text, err := os.ReadFile("/sys/module/spidev/parameters/bufsiz"); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n > 0 {
			p.limit = n
		}
	}
	return p, f, nil
}

func (p *spiPort) String() string { return p.file.Name() }

// Duplex implements conn.Conn.
func (p *spiPort) Duplex() conn.Duplex { return conn.Full }

// MaxTxSize implements conn.Limits.
func (p *spiPort) MaxTxSize() int { return p.limit }

// Tx implements spi.Conn. More than MaxTxSize bytes are EMSGSIZE.
func (p *spiPort) Tx(w, r []byte) error { return p.TxPackets([]spi.Packet{{W: w, R: r}}) }

// TxPackets implements spi.Conn.
func (p *spiPort) TxPackets(packets []spi.Packet) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var (
		pins      runtime.Pinner // the kernel sees the addresses as numbers
		transfers = make([]spiTransfer, len(packets))
		total     int
	)
	defer pins.Unpin()
	for i, packet := range packets {
		w, r := packet.W, packet.R
		if len(w) > 0 && len(r) > 0 && len(w) != len(r) {
			return fmt.Errorf("%d bytes out and %d in cannot be at the same time: %w", len(w), len(r), unix.EINVAL)
		}
		t := &transfers[i]
		t.length, t.clock, t.width = uint32(max(len(w), len(r))), p.clock, packet.BitsPerWord
		if last := i == len(packets)-1; packet.KeepCS == last {
			t.deselect = 1
		}
		if len(w) > 0 {
			pins.Pin(&w[0])
			t.tx = uint64(uintptr(unsafe.Pointer(&w[0])))
		}
		if len(r) > 0 {
			pins.Pin(&r[0])
			t.rx = uint64(uintptr(unsafe.Pointer(&r[0])))
		}
		total += int(t.length)
	}
	switch {
	case total == 0:
		return nil
	case total > p.limit:
		return fmt.Errorf("%d bytes at once to %s, which takes %d: %w", total, p, p.limit, unix.EMSGSIZE)
	}
	size := uintptr(len(transfers)) * unsafe.Sizeof(spiTransfer{})
	if err := p.request(spiMessage|size<<16, unsafe.Pointer(&transfers[0])); err != nil {
		return fmt.Errorf("writing to %s: %w", p, err)
	}
	return nil
}

func (p *spiPort) request(request uintptr, value unsafe.Pointer) error {
	return ioctl(p.file, func(fd uintptr) unix.Errno {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(value))
		return errno
	})
}
