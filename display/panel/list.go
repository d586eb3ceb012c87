package panel

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Found is a display, or a bus that may have one, of this device.
type Found struct {
	What    string   // for people
	Configs []Config // what it may be, the likeliest first
	Sure    bool     // it is there, and not only a wire that it could be on
	Answers bool     // it is a panel on a bus, which answered
}

// List looks for displays. missing says why there are none of a kind, and what
// to do about it. Nothing is drawn, and no chip is written to.
func List() (found []Found, missing []string) {
	for _, look := range []func() ([]Found, []string){findOLEDs, findSPI, findFramebuffers, findTerminal} {
		f, m := look()
		found, missing = append(found, f...), append(missing, m...)
	}
	return found, missing
}

// About says what a driver is for, "" of one that there is not.
func About(driver string) string {
	d, err := Find(driver)
	if err != nil {
		return ""
	}
	return d.About
}

func findOLEDs() (found []Found, missing []string) {
	buses := there(i2cNodes().like)
	for _, path := range buses {
		f, err := askOLEDs(path)
		if err != nil {
			missing = append(missing, err.Error())
		}
		found = append(found, f...)
	}
	switch {
	case len(buses) == 0:
		missing = append(missing, "OLED panels on I2C: there is no "+i2cNodes().like+"; "+i2cNodes().cure)
	case len(found) == 0 && len(missing) == 0:
		missing = append(missing, fmt.Sprintf("OLED panels on I2C: none answers at %#x or %#x on any bus; check power and wiring", oledAddress, oledOtherAddress))
	}
	return found, missing
}

// askOLEDs reads from the addresses of OLED panels on one bus, which does
// nothing to a chip that is none.
func askOLEDs(path string) (found []Found, err error) {
	bus, err := openI2C(path)
	if err != nil {
		return nil, err
	}
	for _, address := range []uint16{oledAddress, oledOtherAddress} {
		if link := (&i2cLink{bus: bus, path: path, address: address}); link.answers() {
			f := Found{What: fmt.Sprintf("a panel at %#x on %s", address, path), Sure: true, Answers: true}
			for _, driver := range []string{"ssd1306", "sh1106"} {
				f.Configs = append(f.Configs, Config{Driver: driver, Device: path, Address: int(address)})
			}
			found = append(found, f)
		}
	}
	return found, bus.Close()
}

func findSPI() (found []Found, missing []string) {
	ports := there(spiNodes().like)
	for _, path := range ports {
		f := Found{What: "an SPI port: what is on it cannot be asked"}
		for _, driver := range []string{"waveshare2in13v4", "waveshare2in13v3", "waveshare2in13v2", "ssd1306", "sh1106"} {
			f.Configs = append(f.Configs, Config{Driver: driver, Device: path})
		}
		found = append(found, f)
	}
	if len(ports) == 0 {
		missing = append(missing, "e-paper and panels on SPI: there is no "+spiNodes().like+"; "+spiNodes().cure)
	}
	return found, missing
}

func findFramebuffers() (found []Found, missing []string) {
	paths := there(framebufferNodes().like)
	for _, path := range paths {
		file, err := openFBFile(path)
		if err != nil {
			missing = append(missing, err.Error())
			continue
		}
		f, err := newFramebuffer(path, file)
		if err == nil {
			found = append(found, Found{
				What:    fmt.Sprintf("a screen of %dx%d pixels", f.frame.width, f.frame.height),
				Configs: []Config{{Driver: framebufferDriver, Device: path}}, Sure: true,
			})
		} else {
			missing = append(missing, err.Error())
		}
		_ = file.Close() // nothing was written
	}
	if len(paths) == 0 {
		missing = append(missing, "framebuffers: there is no "+framebufferNodes().like+"; "+framebufferNodes().cure)
	}
	return found, missing
}

func findTerminal() (found []Found, missing []string) {
	console, err := activeConsole()
	if err != nil {
		return nil, []string{"a console: this device has no screen that one is seen on"}
	}
	return []Found{{
		What: "the console that is seen on the screen", Sure: true,
		Configs: []Config{{Driver: "terminal", Device: console}},
	}}, nil
}

// there are the nodes of a pattern, in the order of their numbers.
func there(pattern string) []string {
	paths, _ := filepath.Glob(pattern) // the pattern is ours
	slices.SortFunc(paths, func(a, b string) int {
		if len(a) != len(b) { // i2c-2 before i2c-10
			return len(a) - len(b)
		}
		return slices.Compare([]byte(a), []byte(b))
	})
	return paths
}
