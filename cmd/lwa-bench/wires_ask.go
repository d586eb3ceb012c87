package main

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"lwa-agent/display/displaytest"
)

// answer is the kernel and the hardware for the process behind a listener.
func (w *wires) answer(listener int) {
	answerRequests(listener, func(r request) (value int, err error) {
		switch byte(r.code >> 8) {
		case kindI2C:
			value, err = w.askI2C(r)
		case kindSPI:
			value, err = w.askSPI(r)
		case kindGPIO:
			err = w.askGPIO(r)
		default:
			err = w.askFramebuffer(r)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if err != nil {
			w.fault = fmt.Errorf("request %#x of the display process: %w", r.code, err)
		}
		return value, err
	})
}

// Of linux/i2c-dev.h and linux/i2c.h.
const (
	i2cFuncs    = 0x0705
	i2cRdwr     = 0x0707
	i2cCanI2C   = 0x1
	i2cFlagRead = 0x1
)

// i2cMessage is struct i2c_msg, i2cTransfer struct i2c_rdwr_ioctl_data. The
// pointers are the other process's.
type (
	i2cMessage struct {
		address, flags, length uint16
		bytes                  uintptr
	}
	i2cTransfer struct {
		messages uintptr
		count    uint32
	}
)

func (w *wires) askI2C(r request) (int, error) {
	switch r.code {
	case i2cFuncs:
		return 0, store(r, r.argument, uintptr(i2cCanI2C))
	case i2cRdwr:
	default:
		return 0, unix.ENOTTY
	}
	transfer, err := fetch[i2cTransfer](r, r.argument)
	if err != nil {
		return 0, err
	}
	var address uint16
	var out, in []byte
	var to uintptr
	for i := range transfer.count {
		var m i2cMessage
		m, err = fetch[i2cMessage](r, transfer.messages+uintptr(i)*uintptr(len(bytesOf(&m))))
		if err != nil {
			return 0, err
		}
		address = m.address
		if m.flags&i2cFlagRead != 0 {
			in, to = make([]byte, m.length), m.bytes
			continue
		}
		out = make([]byte, m.length)
		if err := r.read(m.bytes, out); err != nil {
			return 0, err
		}
	}
	if err := w.bus.Tx(address, out, in); err != nil {
		return 0, err
	}
	w.transferred()
	return int(transfer.count), r.write(to, in)
}

// spiTransfer is struct spi_ioc_transfer of linux/spi/spidev.h.
type spiTransfer struct {
	tx, _  uint64 // where what is sent stands, and what comes back
	length uint32
	_      uint32 // clock
	_      uint16 // delay
	_      [6]uint8
}

func (w *wires) askSPI(r request) (int, error) {
	const sizeAt, sizeMask, message = 16, 0x3fff, 0
	if byte(r.code) != message {
		return 0, nil // mode, width, clock
	}
	total := 0
	count := int(r.code>>sizeAt&sizeMask) / len(bytesOf(&spiTransfer{}))
	for i := range count {
		t, err := fetch[spiTransfer](r, r.argument+uintptr(i*len(bytesOf(&spiTransfer{}))))
		if err != nil {
			return 0, err
		}
		out := make([]byte, t.length)
		if err := r.read(uintptr(t.tx), out); err != nil {
			return 0, err
		}
		if err := w.port.Tx(out, nil); err != nil {
			return 0, err
		}
		total += len(out)
	}
	w.transferred()
	return total, nil
}

func (w *wires) askGPIO(r request) error {
	switch r.code {
	case unix.GPIO_GET_CHIPINFO_IOCTL:
		return store(r, r.argument, unix.GPIOChipInfo{Lines: gpioLines})
	case unix.GPIO_V2_GET_LINEINFO_IOCTL:
		return nil // nothing is known of it
	case unix.GPIO_V2_GET_LINE_IOCTL:
		return w.takeLine(r)
	}
	w.mu.Lock()
	pin := w.pins[r.fd]
	w.mu.Unlock()
	values, err := fetch[unix.GPIOV2LineValues](r, r.argument)
	switch {
	case pin == nil:
		return unix.ENOTTY
	case err != nil:
		return err
	case r.code == unix.GPIO_V2_LINE_SET_VALUES_IOCTL:
		return pin.Out(values.Bits&1 == 1)
	case r.code == unix.GPIO_V2_LINE_GET_VALUES_IOCTL:
		values.Bits = 0
		if pin.Read() == gpio.High {
			values.Bits = 1
		}
		return store(r, r.argument, values)
	}
	return unix.ENOTTY
}

// takeLine gives the process a descriptor for a pin, with the level that an
// output begins with.
func (w *wires) takeLine(r request) error {
	asked, err := fetch[unix.GPIOV2LineRequest](r, r.argument)
	if err != nil {
		return err
	}
	if asked.Offsets[0] >= gpioLines {
		return unix.EINVAL
	}
	pin := []*displaytest.EPaperPin{w.paper.DC, w.paper.Reset, w.paper.Busy}[asked.Offsets[0]]
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	fd, err := r.give(null)
	if err != nil {
		return err
	}
	if pin != w.paper.Busy {
		if err := pin.Out(asked.Config.Num_attrs > 0 && asked.Config.Attrs[0].Attr.Flags&1 == 1); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.pins[fd] = pin
	w.mu.Unlock()
	asked.Fd = int32(fd)
	return store(r, r.argument, asked)
}

// Of linux/fb.h.
const (
	fbVariable = 0x4600
	fbFixed    = 0x4602
	fbConsole  = 0x460f
)

// askFramebuffer answers what only a framebuffer can. What is drawn is written
// to its file as to the device.
func (w *wires) askFramebuffer(r request) error {
	variable, fixed := w.screen.Structs(strconv.IntSize / 8)
	switch r.code {
	case fbVariable:
		return r.write(r.argument, variable)
	case fbFixed:
		return r.write(r.argument, fixed)
	case fbConsole:
		// struct fb_con2fbmap: this machine's own consoles are on another screen,
		// and are left alone.
		return store(r, r.argument+4, uint32(1))
	}
	return unix.EINVAL
}
