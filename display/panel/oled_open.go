package panel

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/i2c"

	"lwa-agent/display"
)

// The two addresses of these panels: a jumper or a resistor decides.
const (
	oledAddress      = 0x3c
	oledOtherAddress = 0x3d
)

// openSSD1306 opens an OLED panel of 128x64 (0.96 inch) or 128x32 pixels (0.91
// inch), on an I2C bus or, with pins for D/C and RES#, on an SPI port.
func openSSD1306(c Config) (periph.Drawer, display.Traits, error) {
	width := 21.74 // mm
	if c.Height == 32 {
		width = 22.38
	}
	return openOLED(c, ssd1306(), width)
}

// openSH1106 opens an OLED panel of 128x64 pixels, 1.3 inch as a rule, on the
// same buses.
func openSH1106(c Config) (periph.Drawer, display.Traits, error) {
	return openOLED(c, sh1106(), 29.42)
}

func openOLED(c Config, chip oledChip, width float64) (periph.Drawer, display.Traits, error) {
	traits := display.Traits{Technology: display.OLED, Pitch: cmp.Or(c.WidthMM, width) / 128}
	c.Device = cmp.Or(c.Device, "/dev/i2c-1") // the one on the header of a Raspberry Pi
	known := []string{"device", "width", "height", "rotate", "width_mm"}
	if strings.HasPrefix(c.Device, "/dev/spidev") {
		if err := refuse(c, append(known, "dc_pin", "reset_pin")...); err != nil {
			return nil, traits, err
		}
		d, err := openOLEDOnSPI(c, chip, kernelHeader())
		return d, traits, err
	}
	if c.DCPin != "" || c.ResetPin != "" {
		return nil, traits, fmt.Errorf("%s is no SPI port, but there are pins for one; write device = \"/dev/spidev0.0\", or remove the pins", c.Device)
	}
	if err := refuse(c, append(known, "address")...); err != nil {
		return nil, traits, err
	}
	bus, err := openI2C(c.Device)
	if err != nil {
		return nil, traits, err
	}
	d, err := oledOnI2C(bus, c, chip)
	return d, traits, err
}

// oledHeight checks what does not depend on the bus.
func oledHeight(c Config, chip oledChip) (int, error) {
	height := cmp.Or(c.Height, 64)
	if c.Width != 0 && c.Width != 128 || height != 64 && height != 32 {
		return 0, fmt.Errorf("an %s has 128x64 or 128x32 pixels, not %dx%d; write width and height as before it is turned, or leave them out",
			chip.name, cmp.Or(c.Width, 128), height)
	}
	return height, nil
}

// oledOnI2C sets up the panel on a bus, which it closes in the end and when
// there is none. With no address given, it takes the first of the usual ones
// that answers.
func oledOnI2C(bus i2c.BusCloser, c Config, chip oledChip) (periph.Drawer, error) {
	height, err := oledHeight(c, chip)
	if err != nil {
		return nil, errors.Join(err, bus.Close())
	}
	addresses := []uint16{oledAddress, oledOtherAddress}
	switch {
	case c.Address < 0 || c.Address > 0x7f:
		err = fmt.Errorf("address = %#x is none of an I2C bus; write 0x3c or 0x3d, or leave it out", c.Address)
		return nil, errors.Join(err, bus.Close())
	case c.Address != 0:
		addresses = []uint16{uint16(c.Address)}
	}
	for _, address := range addresses {
		link := &i2cLink{bus: bus, path: c.Device, address: address}
		var o *oled
		if o, err = newOLED(link, chip, height); err == nil {
			return rotateOrHalt(o, c)
		}
		if !noAnswer(err) {
			break
		}
	}
	problem := i2cProblem(err, c.Device, addresses...)
	if noAnswer(err) && c.Address != 0 {
		for _, other := range []uint16{oledAddress, oledOtherAddress} {
			if link := (&i2cLink{bus: bus, address: other}); int(other) != c.Address && link.answers() {
				problem = fmt.Errorf("no display answered at %#x on %s, but one does at %#x; write address = %#x: %w",
					c.Address, c.Device, other, other, err)
			}
		}
	}
	return nil, errors.Join(problem, bus.Close())
}

func rotateOrHalt(o *oled, c Config) (periph.Drawer, error) {
	d, err := rotate(o, c.Rotate)
	if err != nil {
		return nil, errors.Join(err, o.Halt())
	}
	return d, nil
}

// i2cLink puts a control byte before what is sent: 0x00 for commands, 0x40 for
// data (SSD1306, 8.1.5.2).
type i2cLink struct {
	bus     i2c.BusCloser
	path    string
	address uint16
}

func (l *i2cLink) send(data bool, w []byte) error {
	control := byte(0x00)
	if data {
		control = 0x40
	}
	return l.bus.Tx(l.address, append([]byte{control}, w...), nil)
}

// status reads the one byte that can be read. Bit 6 is set while the display is
// off, as it is after its supply went away. Some modules do not answer.
func (l *i2cLink) status() (off bool, err error) {
	var b [1]byte
	err = l.bus.Tx(l.address, []byte{0x00}, b[:])
	return b[0]&0x40 != 0, err
}

// kept implements oledLink. A module that cannot be read gets everything anew
// each time; whether it is there at all, that shows.
func (l *i2cLink) kept() (bool, error) {
	off, err := l.status()
	if err != nil && !noAnswer(err) {
		return false, err
	}
	return err == nil && !off, nil
}

// answers reads a byte and writes none, which would mean something to a chip
// that is no display.
func (l *i2cLink) answers() bool {
	var b [1]byte
	return l.bus.Tx(l.address, nil, b[:]) == nil
}

func (l *i2cLink) explain(err error) error { return i2cProblem(err, l.path, l.address) }
func (l *i2cLink) Close() error            { return l.bus.Close() }
