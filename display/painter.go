package display

import (
	"context"
	"fmt"
	"time"
)

// maxStuck bounds the calls that have not returned. A driver that never returns
// costs that many goroutines and no more.
const maxStuck = 3

// rarely is how much less often a screen is looked after on which there is
// nothing to scan: a device that is linked sleeps.
const rarely = 15

// leave is how long the end of a Painter waits for a call under way.
const leave = 2 * time.Second

// PainterConfig is what a Painter needs.
type PainterConfig struct {
	Open func() (Display, error) // opens the display, anew after each failure

	// Report is told what the display shows, or what is wrong with it, whenever
	// that changes; by the Painter's goroutine, which waits meanwhile.
	// After the end of Run's context it is told that nothing is shown any more.
	Report func(shows string, err error)

	Deadline time.Duration // for opening and drawing once; 60 s if zero
	Retry    time.Duration // after a failure, before it is opened again; 30 s if zero
	Poll     time.Duration // for drawing an offer again, anything else after 15 times that; 0: never
}

// Painter keeps one display showing the latest Screen. Drivers may hang for
// ever, on a loose wire or a stopped terminal: each call has a deadline, after
// which it is given up, reported, and the display opened again later. Nobody
// who shows something ever waits.
type Painter struct {
	config PainterConfig
	next   chan Screen
	stuck  chan struct{} // holds one for each call that has not returned

	reported bool
	shows    string
	problem  string
}

// NewPainter makes a Painter; Run makes it paint.
func NewPainter(c PainterConfig) *Painter {
	if c.Deadline == 0 {
		c.Deadline = time.Minute
	}
	if c.Retry == 0 {
		c.Retry = 30 * time.Second
	}
	return &Painter{config: c, next: make(chan Screen, 1), stuck: make(chan struct{}, maxStuck)}
}

// Show makes s the Screen to show. It never waits: a Screen that was not drawn
// yet is dropped for it.
func (p *Painter) Show(s Screen) {
	for {
		select {
		case p.next <- s:
			return
		default:
		}
		select {
		case <-p.next:
		default:
		}
	}
}

// Run paints until ctx ends, then closes the display, so that no code is left
// to be seen.
func (p *Painter) Run(ctx context.Context) {
	var (
		open    Display // nil: to be opened
		screen  Screen
		known   bool // there is a screen to show
		failing bool
	)
	again := time.NewTimer(p.config.Retry)
	again.Stop()
	defer again.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			continue
		case s := <-p.next:
			same := known && s.Equal(screen)
			screen, known = s, true
			if failing || same {
				continue // a failure is tried again in its time, with the latest screen
			}
		case <-again.C:
			if k, ok := open.(Keeper); ok {
				if o := p.attempt(ctx, keeping(open, k)); o.err != nil {
					open, failing = nil, true
					p.report(o)
					again.Reset(p.config.Retry)
					continue
				}
			}
		}
		if !known {
			continue
		}
		o := p.attempt(ctx, p.drawing(open, screen))
		open, failing = o.display, o.err != nil
		p.report(o)
		switch {
		case failing:
			again.Reset(p.config.Retry)
		case p.config.Poll > 0 && screen.Kind == Offer:
			again.Reset(p.config.Poll)
		case p.config.Poll > 0:
			again.Reset(rarely * p.config.Poll)
		}
	}
	if open != nil {
		p.report(p.attempt(ctx, func() outcome { return outcome{err: open.Close()} }))
	}
}

// Keeper is a Display that others may change behind our back: the console writes
// over a framebuffer, a panel loses its power and is back without its picture.
type Keeper interface {
	// Keep restores what is to be seen.
	Keep() error
}

// outcome is what came of a call to a driver.
type outcome struct {
	display Display // to go on with; nil after a failure
	shows   string
	err     error
}

// drawing is the call that shows s on d, which is opened first if it is nil. It
// owns d until it returns, which may be long after it was given up.
func (p *Painter) drawing(d Display, s Screen) func() outcome {
	return func() outcome {
		if d == nil {
			var err error
			if d, err = p.config.Open(); err != nil {
				return outcome{err: err}
			}
		}
		shows, err := d.Draw(s)
		if err != nil {
			_ = d.Close() // what does not take a picture does not end well either
			return outcome{err: err}
		}
		return outcome{display: d, shows: shows}
	}
}

// keeping is the call that has d keep what it shows.
func keeping(d Display, k Keeper) func() outcome {
	return func() outcome {
		if err := k.Keep(); err != nil {
			_ = d.Close()
			return outcome{err: err}
		}
		return outcome{display: d}
	}
}

// attempt makes a call that may never return, and gives it up after its
// deadline, or soon after the end of ctx. Whatever a call leaves behind that
// returns after all, is closed.
func (p *Painter) attempt(ctx context.Context, call func() outcome) outcome {
	hangs := outcome{err: fmt.Errorf("the display does not answer within %v; is it connected and switched on?", p.config.Deadline)}
	select {
	case p.stuck <- struct{}{}:
	default:
		return hangs
	}
	done, givenUp := make(chan outcome), make(chan struct{})
	go func() {
		o := call()
		<-p.stuck
		select {
		case done <- o:
		case <-givenUp:
			if o.display != nil {
				_ = o.display.Close() // its failure was reported when it was given up
			}
		}
	}()
	deadline := time.NewTimer(p.config.Deadline)
	defer deadline.Stop()
	ending := ctx.Done()
	for {
		select {
		case o := <-done:
			return o
		case <-deadline.C:
			close(givenUp)
			return hangs
		case <-ending:
			ending = nil
			deadline.Reset(min(leave, p.config.Deadline))
		}
	}
}

func (p *Painter) report(o outcome) {
	problem := ""
	if o.err != nil {
		problem = o.err.Error()
	}
	if p.reported && o.shows == p.shows && problem == p.problem {
		return
	}
	p.reported, p.shows, p.problem = true, o.shows, problem
	p.config.Report(o.shows, o.err)
}
