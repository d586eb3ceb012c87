package panel

import (
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"periph.io/x/conn/v3"
	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// hat is a panel on the header of a board: its pins are lines of a chip, its
// wire is a port.
type hat struct {
	*displaytest.EPaper
	gpio   *simulatedGPIO
	device string // that was opened
	closed bool
}

// wireOf is a port that somebody else closes.
type wireOf struct {
	conn.Conn
	io.Closer
}

func newHat(t *testing.T, model displaytest.EPaperModel, dc, reset, busy string) *hat {
	h := &hat{EPaper: displaytest.NewEPaper(model), gpio: newSimulatedGPIO(t)}
	h.gpio.line(dc).set = h.DC.Out
	h.gpio.line(reset).set = h.Reset.Out
	h.gpio.line(busy).get = h.Busy.Read
	return h
}

func (h *hat) Close() error {
	h.closed = true
	return nil
}

func (h *hat) open(c Config) (periph.Drawer, display.Traits, error) {
	return openWaveshareOn(c, header{chips: h.gpio.on(), openPort: func(path string, f physic.Frequency) (spiConn, error) {
		h.device = path
		wire, err := h.Connect(f, spi.Mode0, 8)
		return wireOf{wire, h}, err
	}})
}

func (h *hat) given(t *testing.T) {
	t.Helper()
	if !h.closed {
		t.Error("the port stays open")
	}
	for _, name := range []string{"GPIO17", "GPIO24", "GPIO25"} {
		if h.gpio.line(name).watch != 0 && h.gpio.line(name).taken() {
			t.Errorf("%s is still held: the next try would find it in use", name)
		}
	}
}

func TestWaveshareHATNeedsNoSettingButItsDriver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHat(t, displaytest.SSD1680Z, "GPIO25", "GPIO17", "GPIO24")
		d, traits, err := h.open(Config{Driver: "waveshare2in13v4"})
		if err != nil {
			t.Fatal(err)
		}
		if h.device != "/dev/spidev0.0" {
			t.Errorf("device %s, want the header's first with its first chip select", h.device)
		}
		if math.Abs(traits.Pitch-0.194) > 0.001 || d.Bounds() != image.Rect(0, 0, 250, 122) {
			t.Errorf("%v at %v mm, want the panel lying at 0.194 mm", d.Bounds(), traits.Pitch)
		}
		if err := d.Draw(d.Bounds(), image.Black, image.Point{}); err != nil {
			t.Fatal(err)
		}
		for i, v := range h.Glass().Pix {
			if v != 0 {
				t.Fatalf("pixel %d is %#x, want all black", i, v)
			}
		}
		if err := d.Halt(); err != nil {
			t.Error(err)
		}
		h.given(t)
	})
}

func TestWaveshareTakesThePinsAndTheTurnThatItIsGiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHat(t, displaytest.SSD1675B, "GPIO2", "GPIO25", "GPIO17")
		d, traits, err := h.open(Config{
			Driver: "waveshare2in13v2", Device: "/dev/spidev1.2", Rotate: 90, WidthMM: 50,
			DCPin: "gpiochip0:2", ResetPin: "GPIO25", BusyPin: "gpiochip1:0",
		})
		if err != nil {
			t.Fatal(err)
		}
		if h.device != "/dev/spidev1.2" || traits.Pitch != 0.2 || d.Bounds() != image.Rect(0, 0, 122, 250) {
			t.Errorf("%s, %v at %v mm", h.device, d.Bounds(), traits.Pitch)
		}
		if err := d.Draw(d.Bounds(), image.White, image.Point{}); err != nil {
			t.Error(err)
		}
	})
}

func TestWaveshareThatCannotBeOpenedKeepsNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		says   []string
	}{
		{"a pin in use", Config{ResetPin: "GPIO8"}, []string{"reset_pin: GPIO8", `in use by "spi0 CS0"`}},
		{"a pin that is not there", Config{BusyPin: "GPIO99"}, []string{"busy_pin: no pin is called GPIO99"}},
		{"one pin twice", Config{BusyPin: "GPIO25"}, []string{"busy_pin: GPIO25", `in use by "lwa-agent"`}},
		{"a turn by a few degrees", Config{Rotate: 45}, []string{"45"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHat(t, displaytest.SSD1680Z, "GPIO25", "GPIO17", "GPIO24")
			c.config.Driver = "waveshare2in13v4"
			_, _, err := h.open(c.config)
			if err == nil {
				t.Fatal("it was opened")
			}
			for _, w := range c.says {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			h.given(t)
			if h.Bytes() > 0 {
				t.Errorf("%d bytes were sent", h.Bytes())
			}
		})
	}
}

func TestWaveshareOfAnotherSizeOrVersionIsRefused(t *testing.T) {
	for _, c := range []Config{
		{Driver: "waveshare2in13v1"},
		{Driver: "waveshare2in13v4", Width: 296},
		{Driver: "waveshare2in13v4", Height: 128},
	} {
		h := newHat(t, displaytest.SSD1680Z, "GPIO25", "GPIO17", "GPIO24")
		if _, _, err := h.open(c); err == nil || h.device != "" {
			t.Errorf("%+v: opened %q (%v)", c, h.device, err)
		}
	}
}

// TestWaveshareSaysHowSPIIsSwitchedOn looks for a port that no machine has.
func TestWaveshareSaysHowSPIIsSwitchedOn(t *testing.T) {
	_, _, err := openWaveshare(Config{Driver: "waveshare2in13v4", Device: "/dev/spidev97.0"})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fmt.Sprint(err), "dtparam=spi=on") {
		t.Errorf("%v; want what is missing and dtparam=spi=on", err)
	}
}
