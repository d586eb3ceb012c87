package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// part takes some figures, in up to four steps; a nil one is left out. First
// each part prepares, one after the other. Then background runs beside all that
// follows, and must sleep nearly all the time; then each alone step has the
// machine to itself; then all together steps run at once, which wait more than
// they compute.
type part struct {
	rows []string // whose figures it takes

	prepare, background, alone, together func(context.Context) error
}

// bench is a run of this program.
type bench struct {
	options
	workshop
	progress io.Writer

	mu      sync.Mutex // guards figures
	figures map[string]figure
}

// found keeps the figure of a row.
func (b *bench) found(name string, f figure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.figures[name] = f
}

// failed notes why the figures of a part are missing.
func (b *bench) failed(p part, err error) {
	for _, name := range p.rows {
		b.mu.Lock()
		_, known := b.figures[name]
		b.mu.Unlock()
		if !known {
			b.found(name, figure{Why: strings.ReplaceAll(err.Error(), "\n", "; ")})
		}
	}
}

func (b *bench) parts() []part {
	idle, worn := newIdle(b), newWear(b)
	return []part{
		{rows: []string{rowCoreRSS, rowCoreAnonymous, rowDisplayRSS, rowCoreWakes, rowDisplayWakes}, prepare: idle.prepare, background: idle.watch},
		{rows: []string{rowTokenRate, rowWorn}, prepare: worn.prepare, alone: worn.handOut, together: worn.refresh},
		{rows: []string{rowBinary}, prepare: b.binary},
		{rows: []string{rowStart}, alone: b.start},
		{rows: []string{rowQRPair}, alone: b.qrPair},
		{rows: []string{rowQRAuthorize}, alone: b.qrAuthorize},
		{rows: []string{rowTokenHTTP}, alone: b.tokenHTTP},
		{rows: []string{rowTokenSocket}, alone: b.tokenSocket},
		{rows: []string{rowTokenHang}, alone: b.hang},
		{rows: []string{rowCommand}, alone: b.commands},
		{rows: []string{rowDropNewline, rowDropOther}, alone: b.drops},
		{rows: []string{rowOLEDFast, rowOLEDSlow}, alone: b.oled},
		{rows: []string{rowScreenSmall}, alone: b.smallScreen},
		{rows: []string{rowScreenLarge}, alone: b.largeScreen},
		{rows: []string{rowUnchanged, rowOneLine, rowRefreshes}, together: b.changes},
		{rows: []string{rowSignIn}, together: b.signIn},
		{rows: []string{rowDiskKept, rowDiskRotated}, together: b.writes},
	}
}

// measure takes all figures that are wanted.
func measure(ctx context.Context, o options, progress io.Writer) (t table, err error) {
	b := &bench{options: o, progress: progress, figures: map[string]figure{}}
	b.say("building lwa-agent")
	if err := b.open(ctx); err != nil {
		return table{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel() // ends every agent that is left
		err = errors.Join(err, b.close())
	}()
	t.Machine = thisMachine(b.disk, b.commit)
	began := time.Now()
	b.take(ctx)
	t.Seconds = time.Since(began).Round(100 * time.Millisecond).Seconds()
	for _, r := range allRows() {
		if b.wants(r.Name) {
			r.figure = b.figures[r.Name]
			t.Rows = append(t.Rows, r)
		}
	}
	return t, ctx.Err()
}

// take carries the parts out that have a row which is wanted.
func (b *bench) take(ctx context.Context) {
	parts := slices.DeleteFunc(b.parts(), func(p part) bool { return !slices.ContainsFunc(p.rows, b.wants) })
	step := func(p *part, name string, do func(context.Context) error) {
		if do == nil || ctx.Err() != nil {
			return
		}
		b.say("%s: %s", name, strings.Join(p.rows, ", "))
		if err := do(ctx); err != nil {
			b.failed(*p, err)
			*p = part{rows: p.rows}
		}
	}
	for i := range parts {
		step(&parts[i], "preparing", parts[i].prepare)
	}
	var background, together sync.WaitGroup
	for _, p := range parts {
		if p.background != nil {
			background.Go(func() { step(&p, "beside the others", p.background) })
		}
	}
	for i := range parts {
		step(&parts[i], "alone", parts[i].alone)
	}
	for _, p := range parts {
		together.Go(func() { step(&p, "together", p.together) })
	}
	together.Wait()
	background.Wait()
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "lwa-bench: "+format+"\n", args...)
}

// pause waits unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
