package panel

import (
	"errors"
	"io/fs"

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

// GiveBack leaves displays without a picture after the process that drew there
// was killed: a framebuffer has its console's text again, a console its cursor.
// Without displays it is what OpenDefault opens. Panels are left as they are:
// they are nobody else's, and the next start draws there anew.
func GiveBack(displays []Config) error {
	if len(displays) == 0 {
		d, _, err := OpenDefault()
		if err != nil {
			return err
		}
		return giveBack(d)
	}
	var errs []error
	for _, c := range displays {
		driver, err := Find(c.Driver)
		if err != nil || c.Driver != framebufferDriver && c.Driver != "terminal" {
			continue // it never drew; or it is a panel
		}
		d, err := driver.Open(c)
		if err == nil {
			err = giveBack(d)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func giveBack(d display.Display) error {
	screen, ok := d.(*framebufferScreen)
	if !ok {
		return d.Close()
	}
	if c := screen.console; c != nil {
		if c.foreign() {
			return screen.Close() // a desktop's by now
		}
		c.takenBefore()
	}
	screen.covered = true
	return screen.Close()
}
