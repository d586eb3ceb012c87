package cli

import (
	"fmt"

	"lwa-agent/display/panel"
)

// listDisplays prints what was found as lines for config.toml: what is there for
// certain as it is, what may be there behind a #.
func (a *app) listDisplays(found []panel.Found, missing []string) {
	if len(found) == 0 {
		a.say("# no display was found")
	}
	for i, f := range found {
		if i > 0 {
			a.say("")
		}
		a.say("# %s", f.What)
		for j, c := range f.Configs {
			mark := ""
			if j > 0 || !f.Sure {
				mark = "#"
			}
			a.say("%s[[display]]", mark)
			a.say("%sdriver = %q # %s", mark, c.Driver, panel.About(c.Driver))
			a.say("%sdevice = %q", mark, c.Device)
			if c.Address != 0 {
				a.say("%saddress = %#x", mark, c.Address)
			}
		}
	}
	for _, m := range missing {
		a.say("")
		a.say("# missing: %s", m)
	}
	a.say("")
	a.say("# With no [[display]] at all: %s", defaultWords(found))
}

// defaultWords says what is drawn on without a configuration.
func defaultWords(found []panel.Found) string {
	for _, f := range found {
		for _, c := range f.Configs {
			if f.Sure && (c.Driver == "framebuffer" || c.Driver == terminalDriver) {
				return fmt.Sprintf("%s (%s), once a link is offered", c.Device, c.Driver)
			}
		}
	}
	return "nothing, here"
}
