package display_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/display"
)

// panel is a display with a wire that can be loose: its calls then wait until
// it is fixed.
type panel struct {
	drawn  chan string // titles, as they are drawn
	loose  chan struct{}
	opened atomic.Int32
	closed atomic.Int32
	looked atomic.Int32 // calls of Draw
	kept   atomic.Int32 // calls of Keep
	gone   atomic.Bool  // as Keep sees it
	broken atomic.Bool
}

func newPanel() *panel { return &panel{drawn: make(chan string, 100)} }

func (p *panel) open() (display.Display, error) {
	p.opened.Add(1)
	return &session{panel: p}, nil
}

type session struct {
	panel *panel
	last  display.Screen
	drawn bool
}

func (s *session) Draw(screen display.Screen) (string, error) {
	s.panel.looked.Add(1)
	if s.panel.loose != nil {
		<-s.panel.loose
	}
	if s.panel.broken.Load() {
		return "", errors.New("no acknowledge from 0x3c")
	}
	if !s.drawn || !screen.Equal(s.last) {
		s.panel.drawn <- screen.Title
	}
	s.last, s.drawn = screen, true
	return "text: " + screen.Title, nil
}

func (s *session) Keep() error {
	s.panel.kept.Add(1)
	if s.panel.gone.Load() {
		return errors.New("nobody answers at 0x3c")
	}
	return nil
}

func (s *session) Close() error { s.panel.closed.Add(1); return nil }

type report struct {
	shows string
	err   error
}

// paint starts a Painter with a deadline of 10 s and a retry after 30 s; the
// returned function ends it.
func paint(t *testing.T, p *panel) (*display.Painter, <-chan report, func()) {
	t.Helper()
	reports := make(chan report, 100)
	painter := display.NewPainter(display.PainterConfig{
		Open:     p.open,
		Report:   func(shows string, err error) { reports <- report{shows, err} },
		Deadline: 10 * time.Second, Retry: 30 * time.Second, Poll: 2 * time.Second,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); painter.Run(ctx) }()
	return painter, reports, func() { cancel(); <-ended }
}

func expect(t *testing.T, reports <-chan report, shows, problem string) {
	t.Helper()
	select {
	case r := <-reports:
		if r.shows != shows || (r.err == nil) != (problem == "") || r.err != nil && !strings.Contains(r.err.Error(), problem) {
			t.Fatalf("reported %q, %v; want %q, %q", r.shows, r.err, shows, problem)
		}
	case <-time.After(5 * time.Minute):
		t.Fatalf("nothing was reported for 5 minutes; want %q, %q", shows, problem)
	}
}

// TestPanelIsLookedAfterWhileItShowsTheSame: it loses its power, or the console
// writes over it, and no new screen comes to tell.
func TestPanelIsLookedAfterWhileItShowsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel()
		painter, reports, stop := paint(t, p)
		painter.Show(display.Screen{Kind: display.Offer, Title: "one"})
		expect(t, reports, "text: one", "")
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if got := p.kept.Load(); got != 30 {
			t.Errorf("looked after %d times in a minute of polls each 2 s, want 30", got)
		}
		p.gone.Store(true)
		expect(t, reports, "", "nobody answers at 0x3c")
		if p.closed.Load() != 1 {
			t.Error("the panel that is gone was not closed, so it cannot be opened when it is back")
		}
		p.gone.Store(false)
		expect(t, reports, "text: one", "")
		if p.opened.Load() != 2 || len(p.drawn) != 2 {
			t.Errorf("opened %d and drawn %d times, want both twice", p.opened.Load(), len(p.drawn))
		}
		stop()
	})
}

func TestLatestScreenWinsAndNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel()
		p.loose = make(chan struct{})
		painter, reports, stop := paint(t, p)
		before := time.Now()
		painter.Show(display.Screen{Title: "one"})
		synctest.Wait() // the panel hangs with it
		for _, title := range []string{"two", "three", "four"} {
			painter.Show(display.Screen{Title: title})
		}
		if d := time.Since(before); d != 0 {
			t.Errorf("showing took %v while the panel hung; nobody may wait for a panel", d)
		}
		close(p.loose)
		expect(t, reports, "text: one", "")
		expect(t, reports, "text: four", "")
		if got := []string{<-p.drawn, <-p.drawn}; got[0] != "one" || got[1] != "four" || len(p.drawn) > 0 {
			t.Errorf("drawn: %q and %d more, want only one and four: the others were old before their time", got, len(p.drawn))
		}
		stop()
	})
}

func TestDisplayOfALinkedDeviceSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel()
		painter, _, stop := paint(t, p)
		for kind, want := range map[display.Kind]int32{display.Offer: 30, display.Linked: 2} {
			painter.Show(display.Screen{Kind: kind, Title: "x"})
			synctest.Wait()
			before := p.looked.Load()
			time.Sleep(time.Minute + time.Second) // virtual
			if got := p.looked.Load() - before; got != want {
				t.Errorf("kind %d: looked at %d times a minute, want %d: a code must follow the window, the rest costs a processor its sleep", kind, got, want)
			}
		}
		stop()
	})
}

func TestUnchangedScreenIsNotDrawnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel()
		painter, reports, stop := paint(t, p)
		for range 5 {
			painter.Show(display.Screen{Title: "same", Lines: []string{"line"}})
			time.Sleep(time.Minute) // virtual: 30 polls
		}
		expect(t, reports, "text: same", "")
		if len(p.drawn) != 1 || len(reports) != 0 {
			t.Errorf("drawn %d times and reported %d times more; e-paper flickers for seconds each time", len(p.drawn), len(reports))
		}
		stop()
	})
}

func TestLooseWireIsGivenUpReportedAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel()
		p.loose = make(chan struct{})
		painter, reports, stop := paint(t, p)
		before := time.Now()
		painter.Show(display.Screen{Title: "code"})
		expect(t, reports, "", "does not answer within 10s")
		if d := time.Since(before); d != 10*time.Second {
			t.Errorf("given up after %v, want the deadline of 10s", d)
		}
		time.Sleep(30*time.Second + time.Nanosecond)
		synctest.Wait()
		if n := p.opened.Load(); n != 2 {
			t.Errorf("opened %d times after 30 s, want 2: it is to be opened again", n)
		}
		painter.Show(display.Screen{Title: "newer code"})
		close(p.loose) // fixed
		time.Sleep(time.Minute)
		expect(t, reports, "text: code", "")
		expect(t, reports, "text: newer code", "")
		if n := p.closed.Load(); n != 1 {
			t.Errorf("%d displays closed, want 1: the one that was given up returned after all", n)
		}
		stop()
		if n := p.closed.Load(); n != 2 {
			t.Errorf("%d displays closed at the end, want 2", n)
		}
	})
}

func TestDriverThatNeverReturnsIsNotOpenedWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel()
		p.loose = make(chan struct{})
		painter, reports, stop := paint(t, p)
		painter.Show(display.Screen{Title: "code"})
		time.Sleep(24 * time.Hour)
		if n := p.opened.Load(); n != 3 {
			t.Errorf("opened %d times in a day, want 3: each costs a goroutine and a descriptor for ever", n)
		}
		expect(t, reports, "", "does not answer")
		if len(reports) != 0 {
			t.Errorf("the same problem was reported %d times more", len(reports))
		}
		before := time.Now()
		stop()
		if d := time.Since(before); d > 2*time.Second {
			t.Errorf("the end took %v with a panel that hangs, want at most 2s", d)
		}
		close(p.loose)
		synctest.Wait()
		if p.closed.Load() != p.opened.Load() {
			t.Errorf("%d opened, %d closed", p.opened.Load(), p.closed.Load())
		}
	})
}

func TestFailedDrawIsRepairedByOpeningAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPanel()
		p.broken.Store(true)
		painter, reports, stop := paint(t, p)
		painter.Show(display.Screen{Title: "code"})
		expect(t, reports, "", "no acknowledge from 0x3c")
		p.broken.Store(false)
		expect(t, reports, "text: code", "")
		if p.opened.Load() != 2 || p.closed.Load() != 1 {
			t.Errorf("%d opened, %d closed; want 2 and 1", p.opened.Load(), p.closed.Load())
		}
		stop()
	})
}
