package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"periph.io/x/conn/v3/physic"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/display/displaytest"
)

const (
	rowOLEDFast    = "panel-oled-400k"
	rowOLEDSlow    = "panel-oled-100k"
	rowScreenSmall = "panel-fb-800x480"
	rowScreenLarge = "panel-fb-1080p"

	oledRuns   = 20
	screenRuns = 15
)

// panelKind is a panel to measure.
type panelKind struct {
	open   func(dir string) (*wires, error)
	config func(*wires) string
	decode func(*wires) (string, error) // what a phone reads there
}

// oled measures how soon the code of a pair is on an OLED panel. The kernel lets
// no driver go on before a transfer is over, so that the time of the process and
// that of the wire add up.
func (b *bench) oled(ctx context.Context) error {
	var cpu, fast, slow []time.Duration
	var sent displaytest.Traffic
	err := b.panels(ctx, oledRuns, panelKind{
		open:   func(dir string) (*wires, error) { return newWires(dir, displaytest.SSD1680Z, 8, 8, 16) },
		config: (*wires).oledConfig,
		decode: func(w *wires) (string, error) {
			sent = w.bus.Traffic()
			return readCode(displaytest.Photo(w.oled.Picture()))
		},
	}, func(_ *wires, took time.Duration) {
		cpu = append(cpu, took)
		fast = append(fast, took+sent.At(400*physic.KiloHertz))
		slow = append(slow, took+sent.At(100*physic.KiloHertz))
	})
	if err != nil {
		return err
	}
	for name, took := range map[string][]time.Duration{rowOLEDFast: fast, rowOLEDSlow: slow} {
		wire := took[len(took)-1] - cpu[len(cpu)-1]
		b.found(name, summarize(milliseconds(took), fmt.Sprintf("from before the exec of lwa-agent display, as it is shipped, to the end of the last transfer "+
			"to an SSD1306 of 128x64, whose bus is simulated: what the driver asks of /dev/i2c-1 goes to a simulator, and %s ms are added for the %s bits on the wire. "+
			"The process by itself takes %s ms. The agent runs and offers a code pair; each picture was decoded.",
			number(inMilliseconds(wire)), thousands(sent.Bits), number(*summarize(milliseconds(cpu), "").Median))))
	}
	return nil
}

func (b *bench) smallScreen(ctx context.Context) error {
	return b.screens(ctx, rowScreenSmall, 800, 480, 16)
}

func (b *bench) largeScreen(ctx context.Context) error {
	return b.screens(ctx, rowScreenLarge, 1920, 1080, 32)
}

// screens measures how soon the code of a pair is in the memory of a framebuffer.
func (b *bench) screens(ctx context.Context, name string, width, height, bits int) error {
	var took []time.Duration
	err := b.panels(ctx, screenRuns, panelKind{
		open:   func(dir string) (*wires, error) { return newWires(dir, displaytest.SSD1680Z, width, height, bits) },
		config: (*wires).framebufferConfig,
		decode: (*wires).decodeFramebuffer,
	}, func(_ *wires, one time.Duration) { took = append(took, one) })
	if err != nil {
		return err
	}
	b.found(name, summarize(milliseconds(took), fmt.Sprintf("from before the exec of lwa-agent display, as it is shipped, to its last write to a framebuffer "+
		"of %dx%d with %d bits a pixel, which is a file in memory here; its mode is simulated. The agent runs and offers a code pair; each picture was decoded.",
		width, height, bits)))
	return nil
}

func (w *wires) decodeFramebuffer() (string, error) {
	memory, err := os.ReadFile(w.framebuffer)
	if err != nil {
		return "", err
	}
	if _, err := w.screen.WriteAt(memory, 0); err != nil {
		return "", err
	}
	return readCode(w.screen.Picture())
}

// panels starts a display process so many times beside an agent that offers a
// code pair, each time with panels that were switched on a moment ago, and hands
// on how long it took until the last transfer of its first picture.
func (b *bench) panels(ctx context.Context, runs int, p panelKind, found func(*wires, time.Duration)) error {
	d, err := b.newDevice(ctx, deviceOptions{method: agent.MethodCBL})
	if err != nil {
		return err
	}
	for i := range runs {
		w, err := p.open(d.memory)
		if err != nil {
			return err
		}
		if i == 0 {
			if err := errors.Join(d.configure(p.config(w)), d.start(ctx)); err != nil {
				return err
			}
		}
		took, err := d.firstPixels(ctx, w, p)
		if err != nil {
			return d.explain(err)
		}
		found(w, took)
	}
	return d.end()
}

// firstPixels starts the display process, looks at its picture, and stops it.
func (d *device) firstPixels(ctx context.Context, w *wires, panel panelKind) (took time.Duration, err error) {
	offer, err := d.until(ctx, socket.Offers)
	if err != nil {
		return 0, err
	}
	watch, err := w.watch()
	if err != nil {
		return 0, err
	}
	defer watch.Close()
	p, err := d.launchWired(ctx, d.command(ctx, d.bench.displayEnv, "display"), w)
	if err != nil {
		return 0, err
	}
	// It tells the agent what can be seen after that can be seen.
	said, err := d.until(ctx, func(s agent.Status) bool {
		return !w.lastSent().IsZero() && slices.ContainsFunc(s.Displays, func(shown agent.Display) bool { return shown.Shows+shown.Error != "" })
	})
	err = errors.Join(err, pause(ctx, quiet))
	took = w.lastSent().Sub(p.began)
	if err == nil {
		var text string
		if text, err = panel.decode(w); err != nil || text != payload(offer) {
			err = errors.Join(fmt.Errorf("the panel shows %q and not %q; the display process says %v", text, payload(offer), said.Displays), err)
		}
	}
	return took, errors.Join(err, w.objections(), p.stop())
}

// configure adds to the configuration of a device that was not started.
func (d *device) configure(text string) error {
	f, err := os.OpenFile(d.config(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
