package image

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
)

// Carries returns a problem for each thing in the image that only one device may
// have: all devices that are made from it would have the same. What cannot be
// looked at is a problem as well, and so is a mistake that all would have. Nil: none.
func (i *Image) Carries() error {
	settings, err := i.settings()
	c := carried{Image: i, all: []error{err}}
	if err == nil { // else that one has been said
		c.mistakes()
	}
	c.dropIns()
	c.machineIDs()
	c.storeKeys()
	c.others()
	c.states(append(c.set("STATE_DIRECTORY="), ownState, settings["state_dir"])...)
	if settings["device.serial_number"] != "" {
		c.add("%s sets a serial_number, which every device made from this image would have; remove the line: each makes one of its own", i.path(configName()))
	}
	if settings["code"] != "" {
		c.add("%s holds a code, which is good once and for one device; remove the line", i.path(configName()))
	}
	return errors.Join(c.all...)
}

// configName is where the image has its configuration.
func configName() string { return below(config.DefaultPath) }

// carried collects what is found.
type carried struct {
	*Image
	lines []string // of the unit's drop-ins
	all   []error
}

func (c *carried) add(format string, args ...any) { c.all = append(c.all, fmt.Errorf(format, args...)) }

// found adds what a file or directory is, with the command that cleans the image.
func (c *carried) found(name, what, command string, files ...string) {
	for _, f := range files {
		command += " " + agent.ShellWord(c.path(f))
	}
	c.add("%s %s; clean it with: %s", c.path(name), what, command)
}

func (c *carried) machineIDs() {
	const what = "is a machine id, which every device made from this image would have"
	const id, dbus = "etc/machine-id", "var/lib/dbus/machine-id"
	if text := c.seen(id); text != "" && text != "uninitialized" {
		c.found(id, what, "truncate -s 0", id)
	}
	if c.inside(dbus) == dbus && c.seen(dbus) != "" { // usually it is a link to that one
		c.found(dbus, what, "rm", dbus)
	}
}

// seen is the text of a file; "" where it is not there.
func (c *carried) seen(name string) string {
	text, err := c.text(name)
	c.all = append(c.all, err)
	return text
}

// storeKeys looks for the key of the link where systemd would (systemd.exec(5),
// LoadCredential=), and where a drop-in says.
func (c *carried) storeKeys() {
	const what = "the key of encrypted links, so whoever has one device could read those of all"
	var paths []string
	for _, dir := range []string{"etc", "usr/lib", "usr/local/lib"} {
		paths = append(paths, dir+"/credstore.encrypted/lwa-agent.store-key", dir+"/credstore/lwa-agent.store-key")
	}
	for _, from := range append(c.set("LoadCredential=store-key:"), c.set("LoadCredentialEncrypted=store-key:")...) {
		if strings.HasPrefix(from, "/") { // else a name in one of those
			paths = append(paths, below(from))
		}
	}
	for _, name := range paths {
		there, err := c.isThere(name)
		c.all = append(c.all, err)
		if there {
			c.found(name, "is "+what, "rm", name)
		}
	}
	if len(c.set("SetCredential=store-key:"))+len(c.set("SetCredentialEncrypted=store-key:")) > 0 {
		c.add("a drop-in of lwa-agent.service holds %s; take it out, and make a key on each device", what)
	}
}

// ownState is the state directory that the agent has for itself.
const ownState = "/var/lib/lwa-agent"

// states looks for what the agent keeps in its state directory.
func (c *carried) states(dirs ...string) {
	looked := map[string]bool{"": true} // the root, or no directory at all
	for _, dir := range dirs {
		if dir = c.inside(below(dir)); !looked[dir] {
			looked[dir] = true
			c.state(dir)
		}
	}
}

func (c *carried) state(dir string) {
	names, err := c.names(dir)
	c.all = append(c.all, err)
	for _, kept := range []struct{ name, what string }{{"link.json", "a link"}, {"serial_number", "a serial number"}, {"localhost.pem", "the key of a certificate"}} {
		var files []string
		for _, name := range names {
			if strings.HasPrefix(name, kept.name) { // others are the one before, or of a crash
				files = append(files, dir+"/"+name)
			}
		}
		switch what := "holds " + kept.what + " of one device"; {
		case len(files) == 0:
		case dir == below(ownState):
			c.found(dir, what, "rm -r", dir)
			return
		default: // others may have theirs there as well
			c.found(dir, what, "rm", files...)
		}
	}
}

// dropIns reads the unit's drop-ins, but for comments.
func (c *carried) dropIns() {
	var looked []string
	for _, units := range []string{"etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"} {
		dir := c.inside(units + "/lwa-agent.service.d")
		if slices.Contains(looked, dir) { // /lib is /usr/lib
			continue
		}
		looked = append(looked, dir)
		names, err := c.names(dir)
		c.all = append(c.all, err)
		for _, name := range names {
			for line := range strings.Lines(c.seen(dir + "/" + name)) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
					c.lines = append(c.lines, line)
				}
			}
		}
	}
}

// set returns what stands behind a word in the drop-ins, up to a blank or a quote.
func (c *carried) set(word string) (values []string) {
	for _, line := range c.lines {
		if _, value, found := strings.Cut(line, word); found {
			value = strings.TrimLeft(value, `"' `)
			if end := strings.IndexAny(value, `"' `); end >= 0 {
				value = value[:end]
			}
			values = append(values, value)
		}
	}
	return values
}
