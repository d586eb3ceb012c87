package panel

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3"
	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// oledClock is slower than the 4 MHz of an SH1106 and the 10 MHz of an SSD1306,
// for wires as long as people make them: a picture takes 5 ms.
const oledClock = 2 * physic.MegaHertz

// openOLEDOnSPI opens a port and the pins of a panel on it. Left empty, D/C is on
// GPIO24 and RES# on GPIO25, as luma.oled has them. RES# can be "none": tied
// high, or made by the module itself.
func openOLEDOnSPI(c Config, chip oledChip, h header) (periph.Drawer, error) {
	pins := []pin{{"dc_pin", cmp.Or(c.DCPin, "GPIO24"), h.chips.low}}
	if c.ResetPin != "none" {
		pins = append(pins, pin{"reset_pin", cmp.Or(c.ResetPin, "GPIO25"), h.chips.high})
	}
	wires, err := h.connect(c.Device, oledClock, pins...)
	if err != nil {
		return nil, err
	}
	link := &spiLink{path: c.Device, conn: wires.port, dc: wires.lines[0], close: wires.Close}
	if len(pins) > 1 {
		link.reset = wires.lines[1]
	}
	return oledOnSPI(link, c, chip)
}

// oledOnSPI sets up the panel behind a link, which it closes in the end and when
// that fails.
func oledOnSPI(link *spiLink, c Config, chip oledChip) (periph.Drawer, error) {
	height, err := oledHeight(c, chip)
	if err != nil {
		return nil, errors.Join(err, link.Close())
	}
	if err = link.restart(); err == nil {
		var o *oled
		if o, err = newOLED(link, chip, height); err == nil {
			return rotateOrHalt(o, c)
		}
	}
	return nil, errors.Join(link.explain(err), link.Close())
}

// spiLink tells commands from data by a wire of their own. Nothing comes back:
// a panel that is not there, or was away, is not noticed.
type spiLink struct {
	path  string
	conn  conn.Conn
	dc    outPin
	reset outPin // nil: not connected
	close func() error
}

// oledResetTime is a thousand times what the datasheets ask for, 3 and 10 µs.
const oledResetTime = 10 * time.Millisecond

// restart pulls RES#.
func (l *spiLink) restart() error {
	if l.reset == nil {
		return nil
	}
	for _, level := range []gpio.Level{gpio.Low, gpio.High} {
		if err := l.reset.Out(level); err != nil {
			return err
		}
		time.Sleep(oledResetTime)
	}
	return nil
}

func (l *spiLink) send(data bool, w []byte) error {
	if err := l.dc.Out(gpio.Level(data)); err != nil {
		return err
	}
	return l.conn.Tx(w, nil)
}

// kept implements oledLink. Everything is sent each time, which takes 5 ms, so
// that a panel whose plug was loose does not stay dark.
func (l *spiLink) kept() (bool, error) { return false, nil }

func (l *spiLink) explain(err error) error {
	return fmt.Errorf("writing to the display on %s: %w", l.path, err)
}

func (l *spiLink) Close() error { return l.close() }
