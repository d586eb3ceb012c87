package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lwa-agent/display/panel"
)

// checkDisplays says what each display shows, and, of buses and screens, what is
// there. A panel on a bus is asked once, which writes nothing to it.
func checkDisplays(_ context.Context, f *facts) []Finding {
	found, missing := f.Panels()
	var all []Finding
	if f.status != nil {
		for _, d := range f.status.Displays {
			name := cmp.Or(strings.TrimSpace(d.Driver+" "+d.Device), "default")
			switch {
			case d.Error != "":
				message, cure, _ := strings.Cut(d.Error, "; ")
				all = append(all, fault(cure, "%s: %s", name, message))
			case d.Driver == "": // none is configured, and there is no screen: seen says so
			case d.Shows != "":
				all = append(all, ok("%s shows %s", name, d.Shows))
			}
		}
	}
	drawn := len(all) > 0
	for _, d := range f.cfg.Displays {
		if !drawn { // else the process that draws knows better
			all = append(all, configured(d, found, missing)...)
		}
	}
	all = append(all, seen(found, len(f.cfg.Displays) > 0))
	if !drawn && len(f.cfg.Displays) > 0 && f.status != nil {
		all = append(all, fault("sudo systemctl start lwa-agent-display; see: journalctl -u lwa-agent-display -n 20",
			"no process draws on the configured displays"))
	}
	return all
}

// configured looks for one that nobody draws on now.
func configured(d panel.Config, found []panel.Found, missing []string) []Finding {
	if d.Device == "" || d.Driver == "png" {
		return nil
	}
	name := d.Driver + " " + d.Device
	if _, err := os.Stat(d.Device); err != nil {
		return one(fault(cureOfBus(d.Device, missing), "%s: there is no %s", name, d.Device))
	}
	if !strings.HasPrefix(d.Device, "/dev/i2c-") {
		return nil
	}
	for _, p := range found {
		if p.Answers && p.Configs[0].Device == d.Device && (d.Address == 0 || p.Configs[0].Address == d.Address) {
			return nil
		}
	}
	for _, m := range missing {
		if strings.Contains(m, d.Device) {
			message, cure, _ := strings.Cut(m, "; ")
			if strings.Contains(m, "permission denied") {
				return one(unseen(asRoot, "%s: %s", name, message))
			}
			return one(fault(cure, "%s: %s", name, message))
		}
	}
	return one(fault("check power, wiring and address: i2cdetect -y "+strings.TrimPrefix(d.Device, "/dev/i2c-"), "%s: no panel answers", name))
}

// cureOfBus is how the bus of a device is switched on.
func cureOfBus(device string, missing []string) string {
	kind := strings.TrimRight(device, "0123456789.")
	for _, m := range missing {
		if what, cure, _ := strings.Cut(m, "; "); strings.Contains(what, kind) {
			return cure
		}
	}
	return "see: lwa-agent display --list"
}

// seen says what is there, and with no display configured also that it is enough.
func seen(found []panel.Found, wanted bool) Finding {
	var buses []string
	for _, p := range found {
		if p.Answers {
			buses = append(buses, fmt.Sprintf("a panel at %#x on %s", p.Configs[0].Address, p.Configs[0].Device))
		} else {
			buses = append(buses, p.Configs[0].Device)
		}
	}
	switch {
	case len(buses) > 0:
		return ok("found %s", strings.Join(buses, ", "))
	case wanted:
		return ok("nothing was found on the buses: lwa-agent display --list says why")
	}
	return ok("none is configured or was found; lwa-agent link shows the code in a terminal")
}

// checkPanels looks for other programs that draw on the same displays.
func checkPanels(_ context.Context, f *facts) []Finding {
	var all []Finding
	devices := map[string]bool{}
	for _, d := range f.cfg.Displays {
		if d.Driver == "png" || d.Device == "" {
			continue
		}
		devices[d.Device] = true
		if by := kernelDriver(d); by != "" {
			all = append(all, fault("remove its dtoverlay= from /boot/firmware/config.txt, or write driver = \"framebuffer\"",
				"the kernel's driver %s has the panel on %s", by, d.Device))
		}
	}
	if len(devices) == 0 {
		return one(ok("no display is configured that another program could use"))
	}
	holders, hidden := holdersOf(devices, f.units[displayUnit]["MainPID"])
	for _, h := range holders {
		all = append(all, warn("end it: sudo kill "+strconv.Itoa(h.pid)+", or take it out of what starts at boot", "%s has %s open too", h.name, h.device))
	}
	switch {
	case len(all) > 0:
		return all
	case hidden:
		return one(unseen(asRoot, "only root may see which programs have a display open"))
	}
	return one(ok("no other program has a configured display open"))
}

// kernelDriver is what of the kernel drives a panel that the agent would drive.
func kernelDriver(d panel.Config) string {
	var at string
	if bus, is := strings.CutPrefix(d.Device, "/dev/i2c-"); is {
		address := d.Address
		if address == 0 {
			address = 0x3c
		}
		at = fmt.Sprintf("/sys/bus/i2c/devices/%s-%04x/driver", bus, address)
	} else if port, is := strings.CutPrefix(d.Device, "/dev/spidev"); is {
		at = "/sys/bus/spi/devices/spi" + port + "/driver"
	}
	driver, err := os.Readlink(at)
	if name := filepath.Base(driver); err == nil && name != "spidev" {
		return name
	}
	return ""
}
