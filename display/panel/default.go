package panel

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"lwa-agent/display"
)

// OpenDefault opens what is drawn on where no display is configured, and says
// what that is: the first framebuffer, else the virtual console that can be
// seen.
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
	if consoleErr != nil {
		return nil, Config{}, errors.Join(err, consoleErr)
	}
	c = Config{Driver: "terminal", Device: console}
	d, openErr := openTerminal(c)
	if openErr != nil {
		return nil, c, errors.Join(err, openErr)
	}
	return d, c, nil
}

// activeConsole is the virtual console that is on the screen.
func activeConsole() (string, error) {
	text, err := os.ReadFile("/sys/class/tty/tty0/active")
	name := strings.TrimSpace(string(text))
	if err != nil || name == "" {
		return "", errors.New("no display is configured and there is no virtual console; write a [[display]] into config.toml")
	}
	return "/dev/" + name, nil
}
