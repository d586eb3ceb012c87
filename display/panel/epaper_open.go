package panel

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"lwa-agent/display"
)

// epaperClock is a fifth of what the controllers take (20 MHz in writing): a
// picture takes 8 ms of the 2 s that the glass needs.
const epaperClock = 4 * physic.MegaHertz

// openWaveshare opens a Waveshare 2.13" panel. Left empty, the device is
// /dev/spidev0.0 and the pins are those of the HAT: D/C on GPIO25, RST on GPIO17,
// BUSY on GPIO24. Chip select is the kernel's, CE0 for /dev/spidev0.0.
//
// Whether a panel is there shows only when it is drawn on.
func openWaveshare(c Config) (periph.Drawer, display.Traits, error) {
	return waveshareOn(c, kernelGPIO(), openSPI)
}

// waveshareOn opens a panel at those chips and ports.
func waveshareOn(c Config, chips gpioChips,
	open func(path string, clock physic.Frequency, mode spi.Mode) (spi.Conn, io.Closer, error),
) (_ periph.Drawer, traits display.Traits, err error) {
	m, ok := waveshare2in13(c.Driver)
	if !ok {
		return nil, traits, fmt.Errorf("there is no panel %s; write waveshare2in13v2, v3 or v4, as printed on its back", c.Driver)
	}
	if err := refuse(c, "device", "rotate", "dc_pin", "reset_pin", "busy_pin", "width_mm"); err != nil {
		return nil, traits, err
	}
	var opened []io.Closer
	giveBack := func() error {
		var errs []error
		for _, o := range opened {
			errs = append(errs, o.Close())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			_ = giveBack() // of what cannot be used
		}
	}()

	wire, port, err := open(cmp.Or(c.Device, "/dev/spidev0.0"), epaperClock, spi.Mode0)
	if err != nil {
		return nil, traits, err
	}
	opened = append(opened, port)
	var dc, reset, busy *gpioLine
	for _, pin := range []struct {
		setting, name string
		take          func(name string) (*gpioLine, error)
		line          **gpioLine
	}{
		{"dc_pin", cmp.Or(c.DCPin, "GPIO25"), chips.low, &dc},
		{"reset_pin", cmp.Or(c.ResetPin, "GPIO17"), chips.high, &reset},
		{"busy_pin", cmp.Or(c.BusyPin, "GPIO24"), chips.input, &busy},
	} {
		if *pin.line, err = pin.take(pin.name); err != nil {
			return nil, traits, fmt.Errorf("%s: %w", pin.setting, err)
		}
		opened = append(opened, *pin.line)
	}
	turned, err := rotate(newEPaper(m, epaperWires{conn: wire, dc: dc, reset: reset, busy: busy, close: giveBack}), c.Rotate)
	if err != nil {
		return nil, traits, err
	}
	traits = display.Traits{Technology: display.EPaper, Pitch: epaperPitch}
	if c.WidthMM > 0 {
		traits.Pitch = c.WidthMM / epaperLength
	}
	return turned, traits, nil
}
