package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"lwa-agent/cmd/internal/config"
)

// Carries returns a problem for each thing in the image that only one device may
// have: all devices that are made from it would have the same. Nil: none.
func (i *Image) Carries() error {
	var all []error
	problem := func(name, what, cure string) {
		all = append(all, fmt.Errorf("%s %s; clean it with: %s", i.path(name), what, cure))
	}
	if id, err := i.text("etc/machine-id"); err == nil && id != "" && id != "uninitialized" {
		problem("etc/machine-id", "is a machine id, which every device made from this image would have", "truncate -s 0 "+i.path("etc/machine-id"))
	}
	// Usually a link to that one, which os.Root does not follow out of the image.
	if id, err := i.text("var/lib/dbus/machine-id"); err == nil && id != "" {
		problem("var/lib/dbus/machine-id", "is a machine id, which every device made from this image would have", "rm "+i.path("var/lib/dbus/machine-id"))
	}
	states := append(i.dropIns(), "var/lib/lwa-agent")
	settings, err := i.settings()
	if err != nil {
		all = append(all, err)
	}
	if dir := below(settings["state_dir"]); dir != "" {
		states = append(states, dir)
	}
	for _, dir := range states {
		if what := i.state(dir); what != "" {
			problem(dir, "holds "+what+" of one device", "rm -r "+i.path(dir))
		}
	}
	if settings["device.serial_number"] != "" {
		name := config.DefaultPath[1:]
		all = append(all, fmt.Errorf("%s sets a serial_number, which every device made from this image would have; remove the line: each makes one of its own", i.path(name)))
	}
	if settings["code"] != "" {
		name := config.DefaultPath[1:]
		all = append(all, fmt.Errorf("%s holds a code, which is good once and for one device; remove the line", i.path(name)))
	}
	return errors.Join(all...)
}

// dropIns returns the state directories that drop-ins of the unit name.
func (i *Image) dropIns() (dirs []string) {
	const dir = "etc/systemd/system/lwa-agent.service.d"
	for _, name := range i.names(dir) {
		text, _ := i.text(dir + "/" + name)
		for line := range strings.Lines(text) {
			if _, dir, found := strings.Cut(strings.TrimSpace(line), "STATE_DIRECTORY="); found && line[0] != '#' {
				dirs = append(dirs, below(strings.Trim(dir, `"'`)))
			}
		}
	}
	return dirs
}

// below is an absolute path as the image's root has it.
func below(path string) string { return strings.Trim(filepath.Clean("/"+path), "/") }

// settings returns the texts of the image's configuration, if it has one.
func (i *Image) settings() (map[string]string, error) {
	name := config.DefaultPath[1:]
	text, err := i.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, i.failed(name, err)
	}
	return config.Texts(i.path(name), text)
}

// state tells what a state directory holds; empty: nothing.
func (i *Image) state(dir string) string {
	what := ""
	for _, name := range i.names(dir) {
		switch {
		case strings.HasPrefix(name, "link.json"):
			return "a link"
		case strings.HasPrefix(name, "serial_number"):
			what = "a serial number"
		case what == "" && name != "lock":
			what = "files"
		}
	}
	return what
}

// names lists a directory; one that is not there, or that is a link to what is
// not in the image, has none.
func (i *Image) names(dir string) []string {
	f, err := i.root.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1) // those until an error
	return names
}

func (i *Image) text(name string) (string, error) {
	text, err := i.read(name)
	return string(bytes.TrimSpace(text)), err
}

// read reads a file of the image, of at most a configuration's size.
func (i *Image) read(name string) ([]byte, error) {
	info, err := i.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
	f, err := i.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, config.MaxSize))
}
