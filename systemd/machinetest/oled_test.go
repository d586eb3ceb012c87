//go:build machinetest

package machinetest

import (
	"fmt"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display/displaytest"
)

// oleds wires two panels, each to an adapter of its own, and lets happen to them
// at the same time what happens to wires: a panel loses its contact, an adapter
// its cable. The console beside them goes on as if nothing were.
func (d *device) oleds() string {
	d.t.Helper()
	const address = 0x3c
	var buses [adapterPorts]*displaytest.I2CBus
	var panels [adapterPorts]*displaytest.OLED
	var paths [adapterPorts]string
	var unplug [adapterPorts]func()
	shown := []string{"terminal " + console}
	for i := range adapterPorts {
		buses[i], panels[i] = displaytest.NewI2CBus(), displaytest.NewSSD1306(64)
		buses[i].Plug(address, panels[i])
		paths[i], unplug[i] = d.plugIn(i, buses[i])
		shown = append(shown, "ssd1306 "+paths[i])
	}
	d.reconfigure(settings{method: agent.MethodCBL, displays: shown})
	link := d.offer()
	for i, panel := range panels {
		d.awaitPanel(fmt.Sprintf("oled-%d", i), panel, link)
	}
	report := []string{fmt.Sprintf("%s and %s, each %s", paths[0], paths[1], d.shows(paths[0]))}

	buses[0].Unplug(address)
	unplug[1]()
	panels[1].PowerOn() // it had its supply from there
	report = append(report, "a wire comes off: "+d.wrong(paths[0], "0x3c", "i2cdetect"))
	report = append(report, "an adapter is pulled out: "+d.wrong(paths[1], paths[1]))
	d.awaitCode("oled-unplugged", link)

	buses[0].Plug(address, panels[0])
	if again, _ := d.plugIn(1, buses[1]); again != paths[1] {
		d.t.Errorf("the adapter comes back as %s, it was %s; is the old one still held open?", again, paths[1])
	}
	began := time.Now()
	for i, panel := range panels {
		d.awaitPanel(fmt.Sprintf("oled-%d-again", i), panel, link)
		d.well(paths[i])
		for _, complaint := range panel.Complaints() {
			d.t.Errorf("the panel's datasheet does not provide for what was sent: %s", complaint)
		}
	}
	report = append(report, fmt.Sprintf("both in again: shown after %.0f s", time.Since(began).Seconds()))
	return strings.Join(report, "\n"+strings.Repeat(" ", 19))
}

// noticed is enough for a display that is looked after every 30 s, and as often
// tried again when it failed.
const noticed = 90 * time.Second

// wrong waits until the status says what is wrong with a display, in words that
// hold these.
func (d *device) wrong(path string, words ...string) string {
	d.t.Helper()
	said := ""
	d.awaitStatus(noticed, "the status to say what is wrong with "+path, func(s agent.Status) bool {
		said = lineOf(s, path).Error
		return said != ""
	})
	for _, w := range words {
		if !strings.Contains(said, w) {
			d.t.Errorf("the status says of %s %q; who has to mend it needs %q in it", path, said, w)
		}
	}
	return fmt.Sprintf("%q", said)
}

// well waits until the status says that nothing is wrong with a display.
func (d *device) well(path string) {
	d.t.Helper()
	d.awaitStatus(noticed, "the status to say that all is well with "+path, func(s agent.Status) bool {
		line := lineOf(s, path)
		return line.Error == "" && line.Shows != ""
	})
}

func lineOf(s agent.Status, path string) agent.Display {
	for _, line := range s.Displays {
		if line.Device == path {
			return line
		}
	}
	return agent.Display{}
}
