package panel

import (
	"cmp"
	"errors"
	"fmt"

	"lwa-agent/display"

	periph "periph.io/x/conn/v3/display"
)

// The driver's name, and the first screen of the kernel.
const (
	framebufferDriver  = "framebuffer"
	defaultFramebuffer = "/dev/fb0"
)

// framebufferScreen shows screens on a framebuffer and keeps the console's text
// off it meanwhile. It looks at each Draw whether the mode changed, another
// console is to be seen, or text was written over the picture.
type framebufferScreen struct {
	framebuffer *framebuffer
	turned      periph.Drawer // the framebuffer, for a picture that is turned
	console     *console      // nil: there is none, or it may not be touched
	redraw      func() error
	watch       bool // something may write over the picture without telling us

	canvas *display.Canvas // nil: nothing is known of what can be seen
	drawn  bool            // a picture was drawn since the screen was the console's
}

// newFramebufferScreen opens a framebuffer of Linux (/dev/fb0 if no other is
// named).
func newFramebufferScreen(c Config) (*framebufferScreen, error) {
	if err := refuse(c, "device", "rotate", "width_mm"); err != nil {
		return nil, err
	}
	path := cmp.Or(c.Device, defaultFramebuffer)
	file, err := openFBFile(path)
	if err != nil {
		return nil, err
	}
	framebuffer, err := newFramebuffer(path, file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	framebuffer.widthMM = c.WidthMM
	turned, err := rotate(framebuffer, c.Rotate)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	d := &framebufferScreen{framebuffer: framebuffer, turned: turned}
	if d.console, err = openConsole(file); err != nil {
		d.watch, d.redraw = true, file.redrawConsole
	}
	framebuffer.guard = d.console.guard
	return d, nil
}

func openFramebuffer(c Config) (display.Display, error) {
	d, err := newFramebufferScreen(c)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Draw shows s. A blank one gives the screen back to its console: somebody may
// want to log in there.
func (d *framebufferScreen) Draw(s display.Screen) (string, error) {
	changed, err := d.framebuffer.measure()
	if err != nil {
		return "", err
	}
	if changed {
		d.canvas = nil
	}
	if s.Kind == display.Blank {
		return d.blank()
	}
	if d.console != nil {
		if err := d.console.take(); err != nil {
			return "", err
		}
		if !d.console.inFront() {
			d.canvas = nil
			return fmt.Sprintf("nothing: another console than %s can be seen (Alt-F%d)", d.console.name(), d.console.number), nil
		}
		d.watch = !d.console.graphics
		if d.console.wasCovered() {
			d.canvas = nil
		}
	}
	if d.canvas != nil && d.watch {
		intact, err := d.framebuffer.intact()
		if err != nil {
			return "", err
		}
		if !intact {
			d.canvas = nil
		}
	}
	if d.canvas == nil {
		d.canvas = display.NewCanvas(d.turned, display.Traits{Pitch: d.framebuffer.pitch()})
	}
	d.drawn = true
	return d.canvas.Draw(s)
}

func (d *framebufferScreen) blank() (string, error) {
	if err := d.leave(); err != nil {
		return "", err
	}
	if d.console != nil || d.redraw != nil {
		return "nothing: the screen is the console's", nil
	}
	return "nothing", nil
}

// leave takes the picture away, if there is one, and brings back the console's
// text.
func (d *framebufferScreen) leave() error {
	var errs []error
	if d.drawn && (d.console == nil || d.console.inFront()) {
		errs = append(errs, d.framebuffer.clear()) // what the console's letters leave free at the edges, too
	}
	switch {
	case d.console != nil:
		errs = append(errs, d.console.giveBack())
	case d.redraw != nil && d.drawn:
		errs = append(errs, d.redraw())
	}
	d.canvas, d.drawn = nil, false
	return errors.Join(errs...)
}

// Close gives the screen back to its console, or leaves it black.
func (d *framebufferScreen) Close() error {
	err := d.leave()
	if d.console != nil {
		err = errors.Join(err, d.console.tty.Close())
	}
	return errors.Join(err, d.framebuffer.Halt())
}
