package panel

import (
	"errors"
	"image"
	"image/draw"
	"strings"
	"syscall"
	"testing"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

func TestPanelIsFoundAtEitherAddress(t *testing.T) {
	for _, address := range []uint16{0x3c, 0x3d} {
		panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
		bus.Plug(address, panel)
		d, err := oledOnI2C(bus, Config{Device: "/dev/i2c-1"}, ssd1306())
		if err != nil {
			t.Errorf("nobody found the panel at %#x: %v", address, err)
			continue
		}
		want := displaytest.Noise(d.Bounds())
		if err := d.Draw(d.Bounds(), want, image.Point{}); err != nil || displaytest.Differing(panel.Picture(), want) != 0 {
			t.Errorf("the picture is not on the panel at %#x (%v)", address, err)
		}
	}
}

func TestMissingPanelIsToldWithTheCure(t *testing.T) {
	for _, test := range []struct {
		name    string
		config  Config
		plugged uint16 // where a panel is
		fails   error  // what all transfers do
		want    string
		is      error
	}{
		{
			"nothing there",
			Config{Device: "/dev/i2c-1"},
			0, nil,
			"no display answered at 0x3c or 0x3d on /dev/i2c-1; check power, wiring and address (i2cdetect -y 1): ", syscall.ENXIO,
		},
		{
			"nothing there, on an adapter that says it otherwise",
			Config{Device: "/dev/i2c-20", Address: 0x3c},
			0, syscall.EREMOTEIO,
			"no display answered at 0x3c on /dev/i2c-20; check power, wiring and address (i2cdetect -y 20): ", syscall.EREMOTEIO,
		},
		{
			"at the other address",
			Config{Device: "/dev/i2c-1", Address: 0x3c},
			0x3d, nil,
			"no display answered at 0x3c on /dev/i2c-1, but one does at 0x3d; write address = 0x3d: ", syscall.ENXIO,
		},
		{
			"an address of another's",
			Config{Device: "/dev/i2c-1", Address: 0x27},
			0x3c, nil,
			"no display answered at 0x27 on /dev/i2c-1, but one does at 0x3c; write address = 0x3c: ", syscall.ENXIO,
		},
		{
			"a wire held low",
			Config{Device: "/dev/i2c-1"},
			0x3c, syscall.ETIMEDOUT,
			"the bus /dev/i2c-1 is not free; check that nothing holds SDA or SCL low: ", syscall.ETIMEDOUT,
		},
		{
			"adapter pulled out",
			Config{Device: "/dev/i2c-7"},
			0x3c, syscall.ENODEV,
			"the adapter /dev/i2c-7 is gone; plug it in: ", syscall.ENODEV,
		},
		{
			"a loose wire",
			Config{Device: "/dev/oled", Address: 0x3c},
			0x3c, syscall.EIO,
			"the transfer to 0x3c on /dev/oled failed; check the wiring: ", syscall.EIO,
		},
		{
			"no address",
			Config{Device: "/dev/i2c-1", Address: 0x378},
			0x3c, nil,
			"address = 0x378 is none of an I2C bus; write 0x3c or 0x3d, or leave it out", nil,
		},
		{
			"another size",
			Config{Device: "/dev/i2c-1", Width: 96, Height: 16},
			0x3c, nil,
			"an ssd1306 has 128x64 or 128x32 pixels, not 96x16; write width and height as before it is turned, or leave them out", nil,
		},
		{
			"turned by little",
			Config{Device: "/dev/i2c-1", Rotate: 45},
			0x3c, nil,
			"rotate = 45 cannot be; write 0, 90, 180 or 270 (degrees clockwise)", nil,
		},
	} {
		bus := displaytest.NewI2CBus()
		if test.plugged != 0 {
			bus.Plug(test.plugged, displaytest.NewSSD1306(64))
		}
		bus.FailAfter(0, test.fails)
		d, err := oledOnI2C(bus, test.config, ssd1306())
		if err == nil || d != nil {
			t.Errorf("%s: no error", test.name)
			continue
		}
		want := test.want
		if test.is != nil {
			want += test.is.Error()
		}
		if err.Error() != want || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: status would say\n%v\nwant\n%s", test.name, err, want)
		}
		if !bus.Closed() {
			t.Errorf("%s: the bus was left open; it is opened again every 30 s", test.name)
		}
		if n := bus.Traffic().Bytes; strings.Contains(test.want, "but one does") && n != 1 {
			t.Errorf("%s: %d bytes for whatever is at the other address, want one read and none written", test.name, n)
		}
	}
}

// A panel that was away takes every transfer when it is back, but is off, with
// a memory at random: without asking it would stay dark for ever.
func TestPanelThatLostItsSupplyGetsTheWholePicture(t *testing.T) {
	for _, driver := range []string{"ssd1306", "sh1106"} {
		for _, readable := range []bool{true, false} {
			p := plugIn(t, driver, Config{})
			if !readable {
				p.bus.RefuseReads()
			}
			want := displaytest.Noise(p.drawer.Bounds())
			p.draw(t, want)
			p.bus.Unplug(0x3c)
			p.bus.Plug(0x3c, p.OLED)
			p.bus.After(func() {
				if seen := p.Picture(); displaytest.Lit(seen) && displaytest.Differing(seen, want) != 0 {
					t.Errorf("%s: its memory at random is seen", driver)
				}
			})
			draw.Draw(want, image.Rect(10, 10, 20, 20), image.White, image.Point{}, draw.Src)
			p.draw(t, want)
			if n := displaytest.Differing(p.Picture(), want); n != 0 {
				t.Errorf("%s, readable %v: %d pixels are wrong after it was plugged in again", driver, readable, n)
			}
		}
	}
}

// Somebody who wires the panel again looks at it, and nothing may change on it
// for ten minutes.
func TestKeepBringsThePictureBack(t *testing.T) {
	for _, degrees := range []int{0, 90} {
		p := plugIn(t, "ssd1306", Config{Device: "/dev/i2c-1", Rotate: degrees})
		keep := p.drawer.(display.Keeper).Keep
		if err := keep(); err != nil || p.On() {
			t.Errorf("before the first picture: %v, on %v", err, p.On())
		}
		want := displaytest.Noise(p.drawer.Bounds())
		p.draw(t, want)
		p.bus.Traffic()
		if err := keep(); err != nil || p.bus.Traffic().Bits > 40 {
			t.Errorf("with all well: %v, or more than a status was asked for", err)
		}
		p.bus.Unplug(0x3c)
		if err := keep(); err == nil || !strings.HasPrefix(err.Error(), "no display answered at 0x3c on /dev/i2c-1; ") {
			t.Errorf("unplugged: status would say %v", err)
		}
		p.bus.Plug(0x3c, p.OLED)
		p.draw(t, want)
		p.bus.Unplug(0x3c)
		p.bus.Plug(0x3c, p.OLED)
		if err := keep(); err != nil || displaytest.Differing(turnedBack(p.Picture(), degrees), want) != 0 {
			t.Errorf("plugged in again: %v, or the picture is not there", err)
		}
	}
}

func TestPictureCutShortIsDrawnOver(t *testing.T) {
	p := plugIn(t, "ssd1306", Config{Device: "/dev/i2c-1"})
	first := displaytest.Noise(p.drawer.Bounds())
	p.draw(t, first)
	second := image.NewGray(first.Rect)
	p.bus.FailAfter(4, syscall.EREMOTEIO)
	err := p.drawer.Draw(second.Rect, second, image.Point{})
	if err == nil || !strings.HasPrefix(err.Error(), "no display answered at 0x3c on /dev/i2c-1; ") {
		t.Errorf("a transfer cut short is told as %v", err)
	}
	p.bus.FailAfter(0, nil)
	p.draw(t, first)
	if n := displaytest.Differing(p.Picture(), first); n != 0 {
		t.Errorf("%d pixels are left from the picture that was cut short", n)
	}
}

// A program that ran before may have left anything in the registers.
func TestWhatAnotherProgramLeftIsSetRight(t *testing.T) {
	left := []byte{
		0x00, 0x5a, 0xd3, 0x11, 0xa0, 0xc0, 0xa5, 0xa7, 0xa8, 0x1f, 0xd5, 0x80,
		0xda, 0x22, 0xb5, 0x0f, 0x17,
	}
	for driver, chip := range map[string]oledChip{"ssd1306": ssd1306(), "sh1106": sh1106()} {
		panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
		commands := append(left, 0x8d, 0x10, 0x20, 0x01, 0x21, 5, 9, 0x22, 2, 3, 0x2f, 0xaf)
		if driver == "sh1106" {
			panel, commands = displaytest.NewSH1106(), append(left, 0xad, 0x8a, 0xe0, 0xaf)
		}
		bus.Plug(0x3c, panel)
		if err := bus.Tx(0x3c, commands, nil); err != nil {
			t.Fatal(err)
		}
		d, err := oledOnI2C(bus, Config{}, chip)
		if err != nil {
			t.Fatal(err)
		}
		want := displaytest.Noise(d.Bounds())
		if err := d.Draw(want.Rect, want, image.Point{}); err != nil || displaytest.Differing(panel.Picture(), want) != 0 {
			t.Errorf("%s: %d pixels are wrong (%v)", driver, displaytest.Differing(panel.Picture(), want), err)
		}
		if c := panel.Complaints(); len(c) != 0 {
			t.Errorf("%s: what was sent is not in the datasheet: %q", driver, c)
		}
	}
}

// Many modules of 1.3 inch are sold as SSD1306 and have an SH1106. Their code
// is two columns off then, and still to be read: the rest of the settings does
// the other controller no harm.
func TestPanelSoldUnderTheWrongNameStillShowsItsCode(t *testing.T) {
	panel, bus := displaytest.NewSH1106(), displaytest.NewI2CBus()
	bus.Plug(0x3c, panel)
	d, err := oledOnI2C(bus, Config{}, ssd1306())
	if err != nil {
		t.Fatal(err)
	}
	screen := pair("BEYHYS")
	if _, err := display.NewCanvas(d, oledTraits()).Draw(screen); err != nil {
		t.Fatal(err)
	}
	read(t, "sold-as-ssd1306", panel.Picture(), screen.Payloads[0].Text)
}
