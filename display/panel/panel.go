// Package panel opens displays by the name of their driver: OLED and e-paper
// panels, framebuffers, terminals, picture files. It promises that a display
// that is missing, broken or somebody else's gives an error that says what to do
// about it, and that no wait for hardware is without end.
package panel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lwa-agent/display"

	periph "periph.io/x/conn/v3/display"
)

// Driver is a kind of display.
type Driver struct {
	Name  string
	About string // what it is for, a few words

	// Poll is how often a display is looked after while it shows an offer: a
	// terminal changes its size, the console writes over a framebuffer, a panel
	// loses its power. 0: never.
	Poll time.Duration

	open func(Config) (display.Display, error)
}

// ScreenPoll is how soon a terminal follows a change of its size, and how long
// text stays that was written over a framebuffer. A process hears of the size by
// a signal only for the terminal that it was started from.
const ScreenPoll = 2 * time.Second

// panelPoll is how soon a panel shows its picture that was without power.
const panelPoll = 30 * time.Second

// drivers are all kinds of displays, by name.
func drivers() []Driver {
	return []Driver{
		{framebufferDriver, "a screen on HDMI, or a small one behind the kernel's driver", ScreenPoll, openFramebuffer},
		{"png", "a picture file, for a program that has the screen", 0, openPNG},
		{"sh1106", "an OLED panel of 1.3 inch, 128x64", panelPoll, on(openSH1106)},
		{"ssd1306", "an OLED panel of 0.96 inch, 128x64, or 0.91 inch, 128x32", panelPoll, on(openSSD1306)},
		{"terminal", "a console, or what is behind a serial line", ScreenPoll, openTerminal},
		{"waveshare2in13v2", "e-paper, V2 on its back", 0, on(openWaveshare)},
		{"waveshare2in13v3", "e-paper, V3 on its back", 0, on(openWaveshare)},
		{"waveshare2in13v4", "e-paper, V4 on its back", 0, on(openWaveshare)},
	}
}

// Find returns the driver of that name. Its error names those there are.
func Find(name string) (Driver, error) {
	all := drivers()
	if i := slices.IndexFunc(all, func(d Driver) bool { return d.Name == name }); i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	return Driver{}, fmt.Errorf("the driver %q is not in this version; there are %s", name, strings.Join(names, ", "))
}

// Open opens a display, whose driver is d.
func (d Driver) Open(c Config) (display.Display, error) {
	return d.open(c)
}

// on shows screens on what a driver opened.
func on(open func(Config) (periph.Drawer, display.Traits, error)) func(Config) (display.Display, error) {
	return func(c Config) (display.Display, error) {
		drawer, traits, err := open(c)
		if err != nil {
			return nil, err
		}
		return display.NewCanvas(drawer, traits), nil
	}
}

func openTerminal(c Config) (display.Display, error) {
	if err := refuse(c, "device"); err != nil {
		return nil, err
	}
	device := c.Device
	if device == "" {
		var err error
		if device, err = activeConsole(); err != nil {
			return nil, err
		}
	}
	t, err := display.OpenTerminal(device)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func openPNG(c Config) (display.Display, error) {
	if c.Device == "" {
		return nil, errors.New(`the driver png needs a file: write device = "/run/lwa-agent-display/link.png", say, into its [[display]]`)
	}
	if err := refuse(c, "device", "width", "height", "width_mm"); err != nil {
		return nil, err
	}
	d, err := display.OpenPNG(c.Device, c.Width, c.Height, c.WidthMM)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// refuse reports settings that mean nothing to a driver, which knows those named.
func refuse(c Config, known ...string) error {
	for _, setting := range []struct {
		key string
		set bool
	}{
		{"device", c.Device != ""},
		{"width", c.Width != 0},
		{"height", c.Height != 0},
		{"rotate", c.Rotate != 0},
		{"address", c.Address != 0},
		{"dc_pin", c.DCPin != ""},
		{"reset_pin", c.ResetPin != ""},
		{"busy_pin", c.BusyPin != ""},
		{"width_mm", c.WidthMM != 0},
	} {
		if setting.set && !slices.Contains(known, setting.key) {
			return fmt.Errorf("%s means nothing to the driver %s; remove it from its [[display]]", setting.key, c.Driver)
		}
	}
	return nil
}
