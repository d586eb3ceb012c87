package panel_test

import (
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/display"
	"lwa-agent/display/panel"
)

func TestUnknownDriverNamesThoseThereAre(t *testing.T) {
	_, err := panel.Find("hdmi")
	if err == nil || !strings.HasPrefix(err.Error(), `the driver "hdmi" is not in this version; there are `) {
		t.Fatalf("got %v, want the names of the drivers", err)
	}
	for _, name := range []string{
		"framebuffer", "png", "sh1106", "ssd1306", "terminal", "waveshare2in13v2", "waveshare2in13v3", "waveshare2in13v4",
	} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

// TestSettingThatMeansNothingIsRefused: somebody who rotates a terminal would
// look for the mistake in the wiring.
func TestSettingThatMeansNothingIsRefused(t *testing.T) {
	for _, c := range []panel.Config{
		{Driver: "terminal", Device: "/dev/tty1", Rotate: 90},
		{Driver: "png", Device: filepath.Join(t.TempDir(), "x.png"), Address: 0x3c},
		{Driver: "png", Device: filepath.Join(t.TempDir(), "x.png"), Rotate: 90},
	} {
		d, err := panel.Find(c.Driver)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Open(c); err == nil || !strings.Contains(err.Error(), "means nothing to the driver "+c.Driver) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

func TestMillimetresOfAPictureDecideOnTheCode(t *testing.T) {
	d, err := panel.Find("png")
	if err != nil {
		t.Fatal(err)
	}
	for mm, want := range map[float64]string{0: "QR", 38: "text"} {
		open, err := d.Open(panel.Config{Driver: "png", Device: filepath.Join(t.TempDir(), "x.png"), Width: 320, Height: 240, WidthMM: mm})
		if err != nil {
			t.Fatal(err)
		}
		url := "https://example.com/?" + strings.Repeat("a", 440)
		shows, err := open.Draw(display.Screen{Kind: display.Offer, Payloads: []display.Payload{{Name: "authorize URL", Text: url}}})
		if err != nil || !strings.HasPrefix(shows, want) {
			t.Errorf("%v mm across: shows %q (%v), want %s", mm, shows, err, want)
		}
	}
}
