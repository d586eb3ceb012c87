package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/panel"
)

// paper is a display that keeps what it is shown.
type paper struct{ screens chan display.Screen }

func (p *paper) open() (display.Display, error) { return p, nil }
func (p *paper) Close() error                   { return nil }
func (p *paper) Draw(s display.Screen) (string, error) {
	p.screens <- s
	return "text", nil
}

func TestConsoleIsLeftAloneUntilALinkIsOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		sheet := &paper{screens: make(chan display.Screen, 100)}
		b := newBoard([]*target{{driver: "panel", open: sheet.open, shy: true}}, &lockedBuffer{})
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx) }()
		for _, st := range []agent.Status{{State: agent.Linked}, pairStatus(), {State: agent.Linked}} {
			b.show(screenFor(st, noon()))
			synctest.Wait()
		}
		stop()
		<-done
		close(sheet.screens)
		var kinds []display.Kind
		for s := range sheet.screens {
			kinds = append(kinds, s.Kind)
		}
		if want := []display.Kind{display.Offer, display.Linked}; !reflect.DeepEqual(kinds, want) {
			t.Errorf("drawn on the console: kinds %v, want %v: who logs in on a linked device must find a prompt", kinds, want)
		}
	})
}

func TestMissingConsoleIsWaitedForAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var log lockedBuffer
		tries := 0
		open := func() (display.Display, error) { tries++; return nil, errors.New("no console; write a [[display]]") }
		b := newBoard([]*target{{driver: "terminal", open: open}}, &log)
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx) }()
		b.show(screenFor(pairStatus(), noon()))
		time.Sleep(10*time.Minute - time.Second)
		stop()
		<-done
		if want := "lwa-agent: display terminal: no console; write a [[display]]\n"; log.String() != want {
			t.Errorf("the log says %q, want %q", log.String(), want)
		}
		if tries != 20 {
			t.Errorf("tried %d times in 10 minutes, want 20", tries)
		}
		if got := b.lines()[0].Error; got != "no console; write a [[display]]" {
			t.Errorf("the status says %q", got)
		}
	})
}

// TestDisplayThatNobodyConfiguredIsNamedInTheLog, once it is known which it is.
func TestDisplayThatNobodyConfiguredIsNamedInTheLog(t *testing.T) {
	for chosen, want := range map[panel.Config]string{
		{Driver: "framebuffer", Device: "/dev/fb0"}: "lwa-agent: display framebuffer /dev/fb0: it hangs\n",
		{}: "lwa-agent: display default: it hangs\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			defer stop()
			var log lockedBuffer
			choice := &target{}
			choice.open = func() (display.Display, error) { choice.opened(chosen); return nil, errors.New("it hangs") }
			b := newBoard([]*target{choice}, &log)
			b.show(screenFor(pairStatus(), noon()))
			b.run(ctx)
			if log.String() != want {
				t.Errorf("the log says %q, want %q", log.String(), want)
			}
			if got := b.lines()[0]; got.Driver != chosen.Driver || got.Device != chosen.Device {
				t.Errorf("the status says %+v, want %+v", got, chosen)
			}
		})
	}
}

// TestNoScreenIsNoFault: most devices that this is for have none, and nobody has
// asked for one.
func TestNoScreenIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		var log lockedBuffer
		choice := &target{shy: true}
		choice.open = func() (display.Display, error) {
			choice.opened(panel.Config{})
			return nil, panel.ErrNoScreen
		}
		b := newBoard([]*target{choice}, &log)
		b.show(screenFor(pairStatus(), noon()))
		b.run(ctx)
		if got := displayLine(b.lines()[0]); got != "default shows nothing: no [[display]] is configured, and this device has no screen" {
			t.Errorf("the status says %q", got)
		}
		if log.String() != "" {
			t.Errorf("the journal says %q", log.String())
		}
	})
}

// TestDeviceThatCameLaterEndsTheProcess: a unit's DeviceAllow= knows the drivers
// that were loaded at its start, so only a new process may use the panel. Where
// the first try is refused, a new process would be refused as well.
func TestDeviceThatCameLaterEndsTheProcess(t *testing.T) {
	for _, want := range []struct {
		name  string
		fails []error
		ends  time.Duration // 0: never
	}{
		{"came later", []error{fs.ErrNotExist, fs.ErrNotExist, syscall.EPERM}, time.Minute},
		{"forbidden", []error{syscall.EPERM}, 0},
		{"of another group", []error{fs.ErrNotExist, syscall.EACCES}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			open := func() (display.Display, error) {
				err := want.fails[min(tries, len(want.fails)-1)]
				tries++
				return nil, fmt.Errorf("opening /dev/i2c-1: %w", err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			began := time.Now()
			var late error
			b := newBoard([]*target{{driver: "ssd1306", device: "/dev/i2c-1", open: open}}, &lockedBuffer{})
			b.tooLate = func(err error) { late = err; stop() }
			b.show(screenFor(pairStatus(), noon()))
			b.run(ctx)
			if took := time.Since(began); (want.ends == 0) != (late == nil) || want.ends != 0 && took != want.ends {
				t.Errorf("%s: ended after %v with %v, want after %v", want.name, took, late, want.ends)
			}
			if late != nil && !strings.HasPrefix(late.Error(), "display ssd1306 /dev/i2c-1: it came after the start of this process") {
				t.Errorf("%s: it says %q", want.name, late)
			}
		})
	}
}

// TestReportIsNeverMoreThanTheAgentTakes: it refused the whole, was asked again
// each second, and its status had no display at all.
func TestReportIsNeverMoreThanTheAgentTakes(t *testing.T) {
	long := agent.Display{Driver: "png", Device: strings.Repeat("ü", 3000), Error: strings.Repeat("<", 9000)}
	for _, lines := range [][]agent.Display{nil, {long}, slices.Repeat([]agent.Display{long}, 40)} {
		body, err := reportOf(lines)
		var told []agent.Display
		if err != nil || len(body) > 8<<10 || json.Unmarshal(body, &told) != nil || len(told) != min(len(lines), 16) {
			t.Fatalf("of %d displays the agent is told %d in %d bytes (%v)", len(lines), len(told), len(body), err)
		}
		for _, d := range told {
			if d.Driver != "png" || len(d.Error) < 50 || !utf8.ValidString(d.Device) {
				t.Errorf("of a display the agent is told %+v", d)
			}
		}
	}
	if len(long.Error) != 9000 {
		t.Error("what others read was cut")
	}
}
