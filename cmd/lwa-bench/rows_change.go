package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display/displaytest"
)

const (
	rowUnchanged = "panel-unchanged"
	rowOneLine   = "panel-line"
	rowRefreshes = "panel-refreshes"

	// still is how long nothing is sent after the last change.
	still = 100 * time.Millisecond

	// paperTakes is more than an e-paper panel needs for a picture.
	paperTakes = 20 * time.Second

	repeats = 10 // of a status
	minutes = 10 // that a code is good for at first
)

// oledFrame is the bits of a whole picture on the I2C bus: 8 pages, each with a
// transfer of 3 commands to go there and one of 128 bytes of pixels. A transfer
// has a start and a stop, an address and a control byte, and 9 bits to a byte.
const oledFrame = 8 * (2*2 + 9*(2+3+2+128))

// changed is what display processes sent when their screens changed.
type changed struct {
	mu        sync.Mutex // guards all
	unchanged int        // bytes sent for screens that did not change
	lines     []float64  // part of an OLED frame for one that changed, in percent
	refreshes []float64  // of e-paper for each screen that differs
}

// changes has a display process draw on an OLED, an e-paper panel and a
// framebuffer at once, for each model of e-paper, and counts what it sends.
func (b *bench) changes(ctx context.Context) error {
	models := []struct {
		driver string
		model  displaytest.EPaperModel
	}{{"waveshare2in13v2", displaytest.SSD1675B}, {"waveshare2in13v3", displaytest.SSD1680}, {"waveshare2in13v4", displaytest.SSD1680Z}}
	var (
		all  changed
		errs = make([]error, len(models))
		runs sync.WaitGroup
	)
	for i, m := range models {
		runs.Go(func() { errs[i] = b.change(ctx, m.driver, m.model, &all) })
	}
	runs.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	b.found(rowUnchanged, single(float64(all.unchanged), repeats*len(models), "on an OLED, an e-paper panel and a framebuffer at once, "+
		"simulated: an agent says something new that is on no screen. A framebuffer that is written to at all counts as a whole one."))
	b.found(rowOneLine, summarize(all.lines, fmt.Sprintf("bits on the simulated I2C bus for the line with the minutes left of a code, and for the one with "+
		"the account's name; a frame of 128x64 has %s.",
		thousands(oledFrame))))
	b.found(rowRefreshes, single(slices.Max(all.refreshes), len(all.refreshes), "the most for any one; on simulated panels v2, v3 and v4: "+
		"a code, its receipt, the question to Amazon, the account, another. The minutes left are on no e-paper, and cost no refresh."))
	return nil
}

// stage is a display process with panels and an agent that follows a script.
type stage struct {
	script *script
	*wires
	display *wired
}

func (b *bench) change(ctx context.Context, driver string, model displaytest.EPaperModel, all *changed) (err error) {
	d, err := b.newDevice(ctx, deviceOptions{method: agent.MethodCBL})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", driver, d.explain(err))
		}
		err = errors.Join(err, d.end())
	}()
	var s stage
	if s.wires, err = newWires(d.memory, model, 800, 480, 16); err != nil {
		return err
	}
	if err := d.configure(s.oledConfig() + s.framebufferConfig() + s.paperConfig(driver)); err != nil {
		return err
	}
	watch, err := s.watch()
	if err != nil {
		return err
	}
	defer watch.Close()
	if s.script, err = d.openScript(ctx); err != nil {
		return err
	}
	defer s.script.close()
	if s.display, err = d.launchWired(ctx, d.command(ctx, b.displayEnv, "display"), s.wires); err != nil {
		return err
	}
	err = s.play(ctx, all)
	return errors.Join(err, s.objections(), s.display.stop())
}

// play shows one screen after the other and counts.
func (s *stage) play(ctx context.Context, all *changed) error {
	if err := s.refresh(ctx, pairFor(minutes), all); err != nil {
		return err
	}
	if err := s.repeat(ctx, pairFor(minutes), all); err != nil {
		return err
	}
	for left := minutes - 1; left > 0; left-- {
		if err := s.line(ctx, pairFor(left), all); err != nil {
			return err
		}
	}
	now := time.Now()
	linked := agent.Status{State: agent.Linked, Method: agent.MethodCBL, Account: "Somebody", LinkedSince: &now}
	for _, status := range []agent.Status{
		{State: agent.Unlinked, Method: agent.MethodCBL, CodePending: true},
		{State: agent.Linking, Method: agent.MethodCBL},
		linked,
	} {
		if err := s.refresh(ctx, status, all); err != nil {
			return err
		}
	}
	linked.Account = "Everyone" // as many letters
	return s.line(ctx, linked, all)
}

// pairFor offers a code for so many minutes.
func pairFor(minutes int) agent.Status {
	end := time.Now().Add(time.Duration(minutes)*time.Minute - 5*time.Second)
	return agent.Status{
		State: agent.Unlinked, Method: agent.MethodCBL, UserCode: "BEYHYS", VerificationURI: "https://amazon.com/us/code", LinkExpiresAt: &end,
	}
}

// refresh shows a screen that differs from the last on all panels, and counts
// the refreshes of the e-paper.
func (s *stage) refresh(ctx context.Context, status agent.Status, all *changed) error {
	before := s.paper.Refreshes()
	if err := s.script.say(ctx, status); err != nil {
		return err
	}
	err := until(ctx, paperTakes, "the e-paper stays as it is", func() bool { return s.paper.Refreshes() > before })
	if err = errors.Join(err, s.rest(ctx)); err != nil {
		return err
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.refreshes = append(all.refreshes, float64(s.paper.Refreshes()-before))
	return nil
}

// rest waits until all panels have their picture.
func (s *stage) rest(ctx context.Context) error {
	return until(ctx, paperTakes, "there is no end of what is sent to the panels", func() bool {
		return s.paper.Asleep() && time.Since(s.lastSent()) > still
	})
}

// repeat says again what is shown, with something new that is not, and counts
// what is sent.
func (s *stage) repeat(ctx context.Context, status agent.Status, all *changed) error {
	s.bus.Traffic()
	paper, drawn := s.paper.Bytes(), s.drawnOn()
	for range repeats {
		status.StoreWrites++
		if err := errors.Join(s.script.say(ctx, status), pause(ctx, still/4)); err != nil {
			return err
		}
	}
	if err := s.rest(ctx); err != nil {
		return err
	}
	sent := s.bus.Traffic().Bytes + s.paper.Bytes() - paper
	if s.drawnOn() > drawn {
		sent += s.screen.LineLength * s.screen.Height
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.unchanged += sent
	return nil
}

// line shows a screen in which one line differs, and counts the bits that this
// takes on the OLED. The line with the minutes left is on no e-paper.
func (s *stage) line(ctx context.Context, status agent.Status, all *changed) error {
	refreshes, sent := s.paper.Refreshes(), 0
	s.bus.Traffic()
	if err := s.script.say(ctx, status); err != nil {
		return err
	}
	err := until(ctx, patience, "the OLED stays as it is", func() bool {
		sent += s.bus.Traffic().Bits
		return sent > 0
	})
	if err = errors.Join(err, s.rest(ctx)); err != nil {
		return err
	}
	sent += s.bus.Traffic().Bits
	all.mu.Lock()
	defer all.mu.Unlock()
	all.lines = append(all.lines, 100*float64(sent)/oledFrame)
	if n := s.paper.Refreshes() - refreshes; status.LinkExpiresAt == nil {
		all.refreshes = append(all.refreshes, float64(n))
	} else if n > 0 {
		return fmt.Errorf("the e-paper was refreshed %d times for a minute less", n)
	}
	return nil
}
