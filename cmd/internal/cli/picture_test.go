package cli

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

var updatePicture = flag.Bool("update", false, "make the README's picture anew")

// The README shows what a person sees: the screen of code-based linking, as
// the png driver draws it.
func TestPictureInTheREADMEIsWhatAScreenShows(t *testing.T) {
	const golden = "testdata/link-screen.png"
	drawn := filepath.Join(t.TempDir(), "link.png")
	d, err := display.OpenPNG(drawn, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(10 * time.Minute)
	screen := screenFor(agent.Status{
		State: agent.Unlinked, Reason: "not linked yet", Method: agent.MethodCBL,
		UserCode: "BEYHYS", VerificationURI: "https://amazon.com/us/code", PollSeconds: 30, LinkExpiresAt: &until,
	}, time.Now())
	if _, err := d.Draw(screen); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(drawn)
	if err != nil {
		t.Fatal(err)
	}
	if *updatePicture {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the screen has changed and %s has not: go test ./cmd/internal/cli -run Picture -update, then look at it", golden)
	}
	img, err := png.Decode(bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := displaytest.DecodeQR(img); err != nil || text != "https://amazon.com/us/code?cbl-code=BEYHYS" {
		t.Errorf("the picture's QR code reads %q, %v", text, err)
	}
}
