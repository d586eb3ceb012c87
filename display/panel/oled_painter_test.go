package panel

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// opening opens the panel on bus anew, as a Painter does after each failure.
func opening(bus *displaytest.I2CBus) func() (display.Display, error) {
	return func() (display.Display, error) {
		d, err := oledOnI2C(bus.Reopen(), Config{Device: "/dev/i2c-1"}, ssd1306())
		if err != nil {
			return nil, err
		}
		return display.NewCanvas(d, oledTraits()), nil
	}
}

// TestBusThatNeverAnswersIsGivenUp: a transfer that does not return costs its
// display and nothing else.
func TestBusThatNeverAnswersIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panel, bus, stuck := displaytest.NewSSD1306(64), displaytest.NewI2CBus(), make(chan struct{})
		bus.Plug(0x3c, panel)
		bus.After(func() { <-stuck })
		reports := make(chan string, 10)
		painter := display.NewPainter(display.PainterConfig{
			Open:   opening(bus),
			Report: func(shows string, err error) { reports <- fmt.Sprint(shows, err) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { painter.Run(ctx); close(done) }()
		painter.Show(pair("BEYHYS"))
		time.Sleep(61 * time.Second)
		if got := <-reports; !strings.Contains(got, "the display does not answer within 1m0s") {
			t.Errorf("status would say %q", got)
		}
		bus.After(nil)
		time.Sleep(30 * time.Second)
		if got := <-reports; got != "QR of the code-pair URL, version 3-M<nil>" {
			t.Errorf("30 s later, with the bus well: %q", got)
		}
		close(stuck)
		synctest.Wait() // the call that was given up ends
		cancel()
		<-done
	})
}

// TestPanelThatIsWiredAgainShowsItsPictureAtTheNextLook: it was away between two
// looks, so that no transfer failed, and its screen stays the same.
func TestPanelThatIsWiredAgainShowsItsPictureAtTheNextLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
		bus.Plug(0x3c, panel)
		painter := display.NewPainter(display.PainterConfig{
			Open: opening(bus),
			Report: func(_ string, err error) {
				if err != nil {
					t.Errorf("status would say %v", err)
				}
			},
			Poll: 5 * time.Second,
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { painter.Run(ctx); close(done) }()
		painter.Show(pair("BEYHYS"))
		synctest.Wait()
		want := panel.Picture()
		bus.Unplug(0x3c)
		bus.Plug(0x3c, panel)
		if displaytest.Lit(panel.Picture()) {
			t.Error("a panel is lit that has just got its supply back")
		}
		time.Sleep(5*time.Second + time.Nanosecond)
		synctest.Wait()
		if n := displaytest.Differing(panel.Picture(), want); n != 0 {
			t.Errorf("%d pixels are wrong after the next look", n)
		}
		cancel()
		<-done
	})
}

// TestUnpluggedPanelComesBackWithThePicture: the wire comes off in the middle of
// a picture; the next attempt is 30 s later, and so are those after it.
func TestUnpluggedPanelComesBackWithThePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
		bus.Plug(0x3c, panel)
		var reports []string
		painter := display.NewPainter(display.PainterConfig{
			Open: opening(bus),
			Report: func(shows string, err error) {
				line, _, _ := strings.Cut(fmt.Sprint(err), "\n")
				reports = append(reports, shows+"|"+line)
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { painter.Run(ctx); close(done) }()

		const (
			shown = "QR of the code-pair URL, version 3-M|<nil>"
			gone  = "no display answered at 0x3c"
		)
		last := func() string { return reports[len(reports)-1] }
		painter.Show(pair("BEYHYS"))
		synctest.Wait()
		if len(reports) != 1 || last() != shown {
			t.Fatalf("reports %q, want the code", reports)
		}

		transfers := 0
		bus.After(func() {
			if transfers++; transfers == 3 {
				bus.Unplug(0x3c)
			}
		})
		painter.Show(display.Screen{Kind: display.Problem, Title: "Not linked", Problem: "The sign-in was cancelled. Scan again."})
		synctest.Wait()
		if len(reports) != 2 || !strings.Contains(last(), gone) {
			t.Fatalf("reports %q, want that nobody answers", reports)
		}
		if !bus.Closed() {
			t.Error("the bus was left open after the failure")
		}
		bus.After(nil)
		painter.Show(pair("CDXK2W"))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if !strings.Contains(last(), gone) || len(reports) > 3 {
			t.Fatalf("reports %q, want the same all the time", reports)
		}

		bus.Plug(0x3c, panel)
		time.Sleep(30*time.Second + time.Nanosecond)
		synctest.Wait()
		if last() != shown {
			t.Errorf("30 s after it was plugged in: %q", last())
		}
		if got, err := displaytest.DecodeQR(displaytest.Photo(panel.Picture())); err != nil || got != pair("").Payloads[0].Text {
			t.Errorf("a phone reads %q (%v) from the panel that came back", got, err)
		}
		cancel()
		<-done
		if displaytest.Lit(panel.Picture()) {
			t.Error("the panel is lit after the end; its picture would burn in")
		}
	})
}
