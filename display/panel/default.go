package panel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lwa-agent/display"
)

// ErrNoScreen is no fault: a headless device for which no display is configured
// is linked in a terminal.
var ErrNoScreen = errors.New("no [[display]] is configured, and this device has no screen")

// OpenDefault opens what is drawn on where no display is configured, and says
// what that is: the first framebuffer, else the virtual console that can be
// seen. With neither it is ErrNoScreen.
func OpenDefault() (display.Display, Config, error) {
	c := Config{Driver: framebufferDriver, Device: defaultFramebuffer}
	screen, err := newFramebufferScreen(c)
	if err == nil && screen.console != nil && screen.console.foreign() {
		return nil, c, errors.Join(screen.console.foreignError(), screen.Close())
	}
	if err == nil {
		return screen, c, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // no screen at all, or one of text alone
	}
	console, consoleErr := activeConsole()
	switch {
	case err != nil && consoleErr != nil:
		return nil, Config{}, err
	case consoleErr != nil:
		return nil, Config{}, ErrNoScreen
	}
	c = Config{Driver: "terminal", Device: console}
	d, openErr := openTerminal(c)
	if openErr != nil {
		return nil, c, errors.Join(err, openErr)
	}
	return d, c, nil
}

// activeConsole is the virtual console that is on the screen.
func activeConsole() (string, error) { return consoleOf("/sys/class/tty/tty0/active", "/dev") }

// consoleOf reads the console's name from active, a file of the kernel's, and
// wants its node in dev: a container sees that file of its host, and no node.
func consoleOf(active, dev string) (string, error) {
	text, err := os.ReadFile(active)
	name := strings.TrimSpace(string(text))
	if err != nil || name == "" {
		return "", errors.New(`this device has no screen that a console is seen on; write device = "/dev/…" into the [[display]]`)
	}
	path := filepath.Join(dev, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf(`the console %s cannot be used here: %w; write another device = "/dev/…" into the [[display]]`, path, err)
	}
	return path, nil
}
