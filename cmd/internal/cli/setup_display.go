package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lwa-agent/display/panel"
)

// noDisplay is the answer of who wants none.
const noDisplay = "none"

// displayFlag is what --display says; ok is whether it says a display.
func displayFlag(text string) (c panel.Config, ok bool, err error) {
	if text == "" || text == noDisplay {
		return panel.Config{}, false, nil
	}
	c.Driver, c.Device, _ = strings.Cut(text, ":")
	_, err = panel.Find(c.Driver)
	if c.Driver == "png" && c.Device == "" {
		err = errors.New("png needs a file, as in png:/run/lwa-agent-display/link.png")
	}
	return c, err == nil, err
}

// askDisplay offers the panels that answer and that nobody configured. A screen
// needs no question: without a [[display]] it is drawn on.
func (s *setup) askDisplay(ctx context.Context) error {
	if s.given("display") {
		c, ok, err := displayFlag(s.flag("display"))
		if ok {
			s.addDisplay(c)
		}
		return err
	}
	if !s.terminal || s.displays() > 0 {
		return nil
	}
	found, _ := panel.List()
	if !slices.ContainsFunc(found, func(f panel.Found) bool { return f.Answers }) {
		s.say("No panel answers on I2C. If there is one: lwa-agent display --list")
	}
	return s.offerDisplays(ctx, found)
}

// offerDisplays asks about each panel of found.
func (s *setup) offerDisplays(ctx context.Context, all []panel.Found) error {
	for _, found := range all {
		if !found.Answers {
			continue
		}
		s.say("")
		s.say("Found: %s. Show the link on it?", found.What)
		for i, c := range found.Configs {
			s.say("  %d  as %s: %s", i+1, c.Driver, panel.About(c.Driver))
		}
		s.say("  0  no")
		most := len(found.Configs)
		answer, err := s.answer(ctx, question{prompt: fmt.Sprintf("0 to %d [1]: ", most), enter: "1", refuses: func(answer string) error {
			if n, err := strconv.Atoi(answer); err != nil || n < 0 || n > most {
				return fmt.Errorf("type a number from 0 to %d", most)
			}
			return nil
		}})
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(answer); err == nil && n > 0 {
			s.addDisplay(found.Configs[n-1])
		}
	}
	return nil
}

// displays is how many [[display]] the configuration has, and those answered.
func (s *setup) displays() int {
	n := 0
	for path := range s.texts {
		if strings.HasPrefix(path, "display[") && strings.HasSuffix(path, ".driver") {
			n++
		}
	}
	for _, set := range s.settings {
		if strings.HasPrefix(set.Path, "display[") && strings.HasSuffix(set.Path, ".driver") {
			n++
		}
	}
	return n
}

// addDisplay configures one more display.
func (s *setup) addDisplay(c panel.Config) {
	at := fmt.Sprintf("display[%d].", s.displays())
	s.set(at+"driver", c.Driver)
	if c.Device != "" {
		s.set(at+"device", c.Device)
	}
	if c.Address != 0 { // else a second panel on the bus would be looked for at the first one's
		s.set(at+"address", fmt.Sprintf("%#x", c.Address))
	}
}

// checkDisplayFlag reports a --display that cannot be meant.
func (s *setup) checkDisplayFlag() error {
	if !s.given("display") {
		return nil
	}
	if _, _, err := displayFlag(s.flag("display")); err != nil {
		return err
	}
	if s.flag("display") != noDisplay && s.displays() > 0 {
		return errors.New("the configuration has a [[display]] already; change that, or leave --display out")
	}
	return nil
}
