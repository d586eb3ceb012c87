package cli

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
	"lwa-agent/display/panel"
)

func TestDisplayTestSaysWhatItDrewAndWhatItCouldNot(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		a := &app{Streams: Streams{Out: &out, Err: &out}}
		picture := filepath.Join(dir, "card.png")
		seen := make(chan string, 1)
		go func() {
			time.Sleep(cardHeld + cardHeld/2) // while the second card is held
			text, _ := displaytest.DecodeQR(readPNG(t, picture))
			seen <- text
		}()
		err := a.tryDisplays(t.Context(), []panel.Config{{Driver: "png", Device: picture}, {Driver: "hdmi"}})
		if !errors.Is(err, errQuiet) {
			t.Errorf("got %v: a display that cannot be drawn on must end it with status 1", err)
		}
		if got := <-seen; got != cardText {
			t.Errorf("a phone reads %q, want %q", got, cardText)
		}
		for _, words := range []string{
			`hdmi: the driver "hdmi" is not in this version`,
			"png " + picture + ": edges, drawn in ", ": code, drawn in 0s: QR of the test text, version 2-",
			": waiting, drawn in 0s: QR of the code-pair URL", ": code received,", ": asking Amazon,", ": linked,", ": something wrong,",
		} {
			if !strings.Contains(out.String(), words) {
				t.Errorf("it does not say %q:\n%s", words, out.String())
			}
		}
		if text, err := displaytest.DecodeQR(readPNG(t, picture)); err == nil {
			t.Errorf("after the test the picture still holds %q", text)
		}
	})
}

// TestDisplayTestLeavesADriverThatHangs: somebody waits for it at a terminal.
func TestDisplayTestLeavesADriverThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		open := func() (display.Display, error) { <-hang; return nil, errors.New("too late") }
		before := time.Now()
		err := try(t.Context(), &target{driver: "loose", open: open}, func(string, ...any) {})
		if err == nil || !strings.Contains(err.Error(), "does not answer within 1m0s") || time.Since(before) != cardWithin {
			t.Errorf("after %v: %v", time.Since(before), err)
		}
		close(hang)
	})
}
