package panel

import (
	"errors"

	"lwa-agent/display"
)

// GiveBack leaves displays without a picture after the process that drew there
// was killed: a framebuffer has its console's text again, a console its cursor.
// Without displays it is what OpenDefault opens. Panels are left as they are:
// they are nobody else's, and the next start draws there anew.
func GiveBack(displays []Config) error {
	if len(displays) == 0 {
		d, _, err := OpenDefault()
		switch {
		case errors.Is(err, ErrNoScreen):
			return nil
		case err != nil:
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
	screen.drawn = true
	return screen.Close()
}
