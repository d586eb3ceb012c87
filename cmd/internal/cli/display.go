package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/panel"
)

const (
	terminalDriver = "terminal"

	// absence is how long an agent may be away, for a restart, before displays
	// say so.
	absence = 3 * time.Second
)

// runDisplay draws what the agent of runtimeDir says on the displays, and tells
// the agent what can be seen on them, until ctx ends. Neither a missing display
// nor a missing agent ends it: both come and go. What is wrong with a display
// is written to stderr once. It ends earlier, with an error, when this process
// is not allowed to use a device that came after its start: a new one is.
func runDisplay(ctx context.Context, runtimeDir string, displays []panel.Config, stderr io.Writer) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	b := newBoard(targetsFor(displays), stderr)
	b.tooLate = end
	link := newDisplayLink(filepath.Join(runtimeDir, eventsSocketName))
	var tasks sync.WaitGroup
	tasks.Go(func() { link.report(ctx, b, stderr) })
	tasks.Go(func() { link.follow(ctx, b, stderr) })
	b.run(ctx)
	tasks.Wait()
	if late, is := errors.AsType[*lateError](context.Cause(ctx)); is {
		return late
	}
	return nil
}

// lateError is that a device came after the start of this process. The
// DeviceAllow= of a unit knows the drivers that were there when it was started.
type lateError struct{ display string }

func (e *lateError) Error() string {
	return "display " + e.display + ": it came after the start of this process, which may not use it; a new process may (systemctl restart lwa-agent-display)"
}

// drawStatuses draws in the process of the agent itself. statuses calls yield
// with the status at once and after each change, until ctx ends; report is
// told what the displays show whenever that changes. With no display
// configured, and stdout a terminal that takes more than plain text, that is
// drawn on. getenv describes stdout's terminal.
func drawStatuses(
	ctx context.Context, displays []panel.Config, stdout *os.File, getenv func(string) string, stderr io.Writer,
	statuses func(ctx context.Context, yield func(agent.Status)), report func([]agent.Display),
) {
	targets := targetsFor(displays)
	if len(displays) == 0 && display.CellsOf(stdout, getenv).Escapes {
		targets = []*target{{
			driver: terminalDriver, device: stdout.Name(), poll: panel.ScreenPoll,
			open: func() (display.Display, error) { return display.NewTerminal(stdout, getenv), nil },
		}}
	}
	b := newBoard(targets, stderr)
	var tasks sync.WaitGroup
	tasks.Go(func() { statuses(ctx, func(st agent.Status) { b.showStatus(st) }) })
	tasks.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-b.changed:
				report(b.lines())
			}
		}
	})
	b.run(ctx)
	tasks.Wait()
}

// target is a display that was asked for.
type target struct {
	driver, device string
	poll           time.Duration
	open           func() (display.Display, error)
	opened         func(panel.Config) // told which display was chosen, where none is configured; may be nil
	fault          error              // why it can never be opened

	// shy keeps a console that nobody configured as it is, for people to log in
	// on, until a link is offered for the first time.
	shy bool
}

// name is how messages call it.
func (t *target) name() string {
	return cmp.Or(strings.TrimSpace(t.driver+" "+t.device), "default") // none is configured, and there is none
}

// targetsFor is what is drawn on: what is configured, else the framebuffer, else
// the virtual console that can be seen.
func targetsFor(displays []panel.Config) []*target {
	if len(displays) == 0 {
		t := &target{poll: panel.ScreenPoll, shy: true}
		t.open = func() (display.Display, error) {
			d, c, err := panel.OpenDefault()
			if t.opened != nil {
				t.opened(c)
			}
			return d, err
		}
		return []*target{t}
	}
	var targets []*target
	for _, d := range displays {
		targets = append(targets, newTarget(d))
	}
	return targets
}

func newTarget(d panel.Config) *target {
	t := &target{driver: d.Driver, device: d.Device}
	driver, err := panel.Find(d.Driver)
	if err != nil {
		t.fault = err
		return t
	}
	t.poll = driver.Poll
	t.open = func() (display.Display, error) { return driver.Open(d) }
	return t
}

// board is all displays with what they show.
type board struct {
	targets  []*target
	painters []*display.Painter // nil for a driver that does not exist
	stderr   io.Writer
	changed  chan struct{} // lines has something new
	tooLate  func(error)   // told of a device that only a new process may use; nil: nobody cares

	mu      sync.Mutex   // guards the names of the targets, too
	missing map[int]bool // displays whose device was not there
	reports []agent.Display
	offered bool // a link was offered once
	shown   int  // screens so far
}

func newBoard(targets []*target, stderr io.Writer) *board {
	b := &board{
		targets: targets, painters: make([]*display.Painter, len(targets)), stderr: stderr,
		changed: make(chan struct{}, 1), reports: make([]agent.Display, len(targets)), missing: map[int]bool{},
	}
	for i, t := range targets {
		b.reports[i] = agent.Display{Driver: t.driver, Device: t.device}
		if t.fault != nil {
			b.report(i, "", t.fault)
			continue
		}
		t.opened = func(c panel.Config) {
			b.mu.Lock()
			defer b.mu.Unlock()
			t.driver, t.device = c.Driver, c.Device
			b.reports[i].Driver, b.reports[i].Device = c.Driver, c.Device
		}
		if t.shy {
			b.report(i, "nothing until a link is offered", nil)
		}
		b.painters[i] = display.NewPainter(display.PainterConfig{
			Open: t.open, Poll: t.poll,
			Report: func(shows string, err error) { b.report(i, shows, err) },
		})
	}
	return b
}

// run paints until ctx ends and every display that answers has been left.
func (b *board) run(ctx context.Context) {
	var painting sync.WaitGroup
	for _, p := range b.painters {
		if p != nil {
			painting.Go(func() { p.Run(ctx) })
		}
	}
	painting.Wait()
	<-ctx.Done()
}

// showStatus shows st, and again what becomes of it while time goes by.
func (b *board) showStatus(st agent.Status) {
	now := time.Now()
	mine := b.show(screenFor(st, now))
	if wait := unchangedFor(st, now); wait > 0 {
		time.AfterFunc(wait, func() {
			b.mu.Lock()
			latest := b.shown == mine
			b.mu.Unlock()
			if latest {
				b.showStatus(st)
			}
		})
	}
}

// show shows s and returns the number of screens so far.
func (b *board) show(s display.Screen) int {
	b.mu.Lock()
	b.shown++
	mine := b.shown
	b.offered = b.offered || s.Kind == display.Offer
	offered := b.offered
	b.mu.Unlock()
	for i, p := range b.painters {
		if p != nil && (offered || !b.targets[i].shy) {
			p.Show(s)
		}
	}
	return mine
}

// report notes what a display shows, and tells the log what is wrong with it.
func (b *board) report(i int, shows string, err error) {
	problem := ""
	switch {
	case errors.Is(err, panel.ErrNoScreen):
		shows = "nothing: " + oneLine(err)
	case err != nil:
		problem = oneLine(err)
	}
	b.mu.Lock()
	name := b.targets[i].name()
	b.reports[i].Shows, b.reports[i].Error = shows, problem
	late := b.missing[i] && errors.Is(err, syscall.EPERM)
	b.missing[i] = errors.Is(err, fs.ErrNotExist) || errors.Is(err, panel.ErrNoScreen)
	b.mu.Unlock()
	if problem != "" {
		fmt.Fprintf(b.stderr, "lwa-agent: display %s: %s\n", name, problem)
	}
	if late && b.tooLate != nil {
		b.tooLate(&lateError{name})
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// lines is what all displays show, for the status.
func (b *board) lines() []agent.Display {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.reports)
}

// oneLine is err on one line: joined errors have one for each.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
