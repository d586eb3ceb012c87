package panel

import (
	"cmp"
	"errors"
	"fmt"

	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/physic"

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
	return openWaveshareOn(c, kernelHeader())
}

func openWaveshareOn(c Config, h header) (periph.Drawer, display.Traits, error) {
	traits := display.Traits{Technology: display.EPaper, Pitch: cmp.Or(c.WidthMM, epaperWidthMM) / epaperLength}
	m, ok := waveshare2in13(c.Driver)
	if !ok {
		return nil, traits, fmt.Errorf("there is no panel %s; write waveshare2in13v2, v3 or v4, as printed on its back", c.Driver)
	}
	if err := refuse(c, "device", "rotate", "dc_pin", "reset_pin", "busy_pin", "width_mm"); err != nil {
		return nil, traits, err
	}
	wires, err := h.connect(
		cmp.Or(c.Device, "/dev/spidev0.0"), epaperClock,
		pin{"dc_pin", cmp.Or(c.DCPin, "GPIO25"), h.chips.low},
		pin{"reset_pin", cmp.Or(c.ResetPin, "GPIO17"), h.chips.high},
		pin{"busy_pin", cmp.Or(c.BusyPin, "GPIO24"), h.chips.input},
	)
	if err != nil {
		return nil, traits, err
	}
	turned, err := rotate(newEPaper(m, epaperWires{
		conn: wires.port, dc: wires.lines[0], reset: wires.lines[1], busy: wires.lines[2], close: wires.Close,
	}), c.Rotate)
	if err != nil {
		return nil, traits, errors.Join(err, wires.Close())
	}
	return turned, traits, nil
}
