package panel

import (
	"image"
	"image/draw"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"lwa-agent/display/displaytest"
)

// onSPI is a panel on a port of its own, and the link to it.
func onSPI(t *testing.T, panel *displaytest.OLED, wiredReset bool) (*displaytest.SPIPort, *spiLink) {
	t.Helper()
	port := displaytest.NewSPIPort(panel, wiredReset)
	conn, err := port.Connect(oledClock, spi.Mode0, 8)
	if err != nil {
		t.Fatal(err)
	}
	link := &spiLink{path: "/dev/spidev0.0", conn: conn, dc: port.DC, close: port.Close}
	if wiredReset {
		link.reset = port.Reset
	}
	return port, link
}

func TestOLEDOnSPI(t *testing.T) {
	for _, wiredReset := range []bool{false, true} {
		for driver, panel := range map[string]*displaytest.OLED{"ssd1306": displaytest.NewSSD1306(64), "sh1106": displaytest.NewSH1106()} {
			chip := ssd1306()
			if driver == "sh1106" {
				chip = sh1106()
			}
			port, link := onSPI(t, panel, wiredReset)
			d, err := oledOnSPI(link, Config{}, chip)
			if err != nil {
				t.Fatal(err)
			}
			want := displaytest.Noise(d.Bounds())
			if err := d.Draw(d.Bounds(), want, image.Point{}); err != nil || displaytest.Differing(panel.Picture(), want) != 0 {
				t.Errorf("%s, RES# wired %v: the picture is not there (%v)", driver, wiredReset, err)
			}
			if took := port.Traffic().At(port.Clock()); took > 5*time.Millisecond || port.Clock() > 4*physic.MegaHertz {
				t.Errorf("%s: %v at %v; an SH1106 takes 4 MHz", driver, took, port.Clock())
			}
			// The plug was loose: nothing tells, and it is right with the next change.
			if !wiredReset {
				port.Replug()
			}
			draw.Draw(want, image.Rect(3, 3, 9, 9), image.White, image.Point{}, draw.Src)
			if err := d.Draw(d.Bounds(), want, image.Point{}); err != nil || displaytest.Differing(panel.Picture(), want) != 0 {
				t.Errorf("%s: the second picture is not there (%v)", driver, err)
			}
			if c := panel.Complaints(); len(c) != 0 {
				t.Errorf("%s: what was sent is not in the datasheet: %q", driver, c)
			}
			if err := d.Halt(); err != nil || displaytest.Lit(panel.Picture()) || !port.Closed() {
				t.Errorf("%s: Halt: %v; lit %v, closed %v", driver, err, displaytest.Lit(panel.Picture()), port.Closed())
			}
		}
	}
}

// wired is a panel on the port and the pins of a board.
func wired(t *testing.T, dc, reset string) (*displaytest.OLED, *displaytest.SPIPort, *simulatedGPIO, func(Config) error) {
	panel := displaytest.NewSSD1306(64)
	port := displaytest.NewSPIPort(panel, reset != "")
	board := newSimulatedGPIO(t)
	board.line(dc).set = port.DC.Out
	if reset != "" {
		board.line(reset).set = port.Reset.Out
	}
	return panel, port, board, func(c Config) error {
		d, err := openOLEDOnSPI(c, ssd1306(), header{chips: board.on(), openPort: func(_ string, f physic.Frequency) (spiConn, error) {
			_, err := port.Connect(f, spi.Mode0, 8)
			return port, err
		}})
		if err != nil {
			return err
		}
		want := displaytest.Noise(d.Bounds())
		if err := d.Draw(d.Bounds(), want, image.Point{}); err != nil {
			return err
		}
		if n := displaytest.Differing(panel.Picture(), want); n != 0 {
			t.Errorf("with %+v, %d pixels are wrong", c, n)
		}
		return d.Halt()
	}
}

func TestPinsOfAnOLEDOnSPI(t *testing.T) {
	for _, test := range []struct {
		dc, reset string // as wired
		config    Config
		want      string // what is wrong
	}{
		{"GPIO24", "GPIO25", Config{}, ""},
		{"GPIO17", "", Config{DCPin: "GPIO17", ResetPin: "none"}, ""},
		{"GPIO17", "GPIO2", Config{DCPin: "GPIO17", ResetPin: "gpiochip0:2"}, ""},
		{"GPIO24", "", Config{DCPin: "GPIO99"}, "dc_pin: no pin is called GPIO99"},
		{"GPIO24", "", Config{ResetPin: "GPIO8"}, "reset_pin: GPIO8 (gpiochip1:3) is in use by \"spi0 CS0\""},
		{"GPIO24", "", Config{ResetPin: "none", Height: 48}, "an ssd1306 has 128x64 or 128x32 pixels, not 128x48"},
	} {
		test.config.Device = "/dev/spidev0.0"
		_, port, board, open := wired(t, test.dc, test.reset)
		err := open(test.config)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%+v: %v", test.config, err)
		case test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)):
			t.Errorf("%+v: status would say\n%v\nwant\n%s", test.config, err, test.want)
		}
		if !port.Closed() {
			t.Errorf("%+v: the port stays open", test.config)
		}
		for _, name := range []string{test.dc, test.reset} {
			if name != "" && board.line(name).watch != 0 && board.line(name).taken() {
				t.Errorf("%+v: %s is still held: the next try would find it in use", test.config, name)
			}
		}
	}
}

func TestSettingsOfTheOtherBusAreRefused(t *testing.T) {
	for _, test := range []struct {
		config Config
		want   string
	}{
		{
			Config{Device: "/dev/i2c-1", DCPin: "GPIO24"},
			`/dev/i2c-1 is no SPI port, but there are pins for one; write device = "/dev/spidev0.0", or remove the pins`,
		},
		{Config{Device: "/dev/spidev0.0", Address: 0x3c}, "address means nothing to the driver ssd1306; remove it from its [[display]]"},
		{Config{Device: "/dev/i2c-1", BusyPin: "GPIO24"}, "busy_pin means nothing to the driver ssd1306; remove it from its [[display]]"},
	} {
		test.config.Driver = "ssd1306"
		if _, _, err := openSSD1306(test.config); err == nil || err.Error() != test.want {
			t.Errorf("status would say\n%v\nwant\n%s", err, test.want)
		}
	}
}

func TestSPIFailuresNameThePort(t *testing.T) {
	port, link := onSPI(t, displaytest.NewSSD1306(64), false)
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := oledOnSPI(link, Config{}, ssd1306())
	if err == nil || !strings.HasPrefix(err.Error(), "writing to the display on /dev/spidev0.0: ") {
		t.Errorf("got %v", err)
	}
	link.dc = gpio.INVALID
	if _, err := oledOnSPI(link, Config{}, ssd1306()); err == nil {
		t.Error("a D/C that cannot be set is no error")
	}
}
