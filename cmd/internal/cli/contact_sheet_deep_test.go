//go:build deep

package cli

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// panelSizes are those of the contact sheet, from the smallest OLED to a
// television.
var panelSizes = []struct {
	width, height int
	traits        display.Traits
}{
	{128, 32, display.Traits{Technology: display.OLED, Pitch: 0.175}},
	{128, 64, display.Traits{Technology: display.OLED, Pitch: 0.17}},
	{160, 128, display.Traits{Pitch: 0.22}},
	{250, 122, display.Traits{Technology: display.EPaper, Pitch: 0.194}},
	{240, 240, display.Traits{Pitch: 0.0975}},
	{320, 240, display.Traits{Pitch: 0.18}},
	{480, 320, display.Traits{Pitch: 0.153}},
	{800, 480, display.Traits{Pitch: 0.19}},
	{1920, 1080, display.Traits{}},
}

// statesOnSheet are all that a display can have to show.
func statesOnSheet() []struct {
	name   string
	status agent.Status
} {
	page := authorizeStatus()
	page.LinkPage = "HTTP://192.168.1.20:9744/7K2Q"
	page.Reason = "not linked yet"
	network := agent.Problem{Code: "network", Message: "api.amazon.com cannot be reached: lookup api.amazon.com: no such host", Hint: "check the network; it is tried again by itself"}
	secret := agent.Problem{Code: "invalid_client", Message: "Amazon does not know this client: the client secret is not that of the client id", Hint: "copy both once more from Security Profiles, Web Settings"}
	received := authorizeStatus()
	received.CodePending = true
	return []struct {
		name   string
		status agent.Status
	}{
		{"code pair", pairStatus()},
		{"link page", page},
		{"authorize URL", authorizeStatus()},
		{"code received", received},
		{"asking Amazon", agent.Status{State: agent.Linking, Reason: "signed in; proving the link"}},
		{"linked", agent.Status{State: agent.Linked, Account: "Jane Doe", LinkedSince: later(0)}},
		{"linked, network gone", agent.Status{State: agent.Linked, Account: "Jane Doe", LinkedSince: later(-time.Hour), LastError: &network}},
		{"wrong secret", agent.Status{State: agent.Unlinked, Reason: "not linked yet", LastError: &secret}},
		{"nobody here", agent.Status{State: agent.Unlinked, Reason: "not linked yet", NextLinkAt: later(90 * time.Minute)}},
		{"linked a minute ago", agent.Status{State: agent.Linked, Account: "Jane Doe", LinkedSince: later(-time.Minute)}},
	}
}

// TestContactSheet paints every state on every size, on one sheet to be looked
// at: go test -tags deep -run ContactSheet -artifacts ./cmd/internal/cli. What is a QR code
// there is read as a phone would.
func TestContactSheet(t *testing.T) {
	const gap = 12
	width, height := gap, gap
	for _, p := range panelSizes {
		width += p.width + gap
		height = max(height, p.height)
	}
	states := statesOnSheet()
	sheet := image.NewGray(image.Rect(0, 0, width, gap+len(states)*(height+gap)))
	draw.Draw(sheet, sheet.Rect, image.NewUniform(color.Gray{0x80}), image.Point{}, draw.Src)
	for row, state := range states {
		x := gap
		for _, p := range panelSizes {
			panel := displaytest.NewSheet(p.width, p.height)
			screen := screenFor(state.status, noon())
			shows, err := display.NewCanvas(panel, p.traits).Draw(screen)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(shows, "QR") {
				if _, err := displaytest.DecodeQR(panel.Gray); err != nil {
					t.Errorf("%s at %dx%d: %v", state.name, p.width, p.height, err)
				}
			}
			if blank := strings.Count(string(panel.Pix), string(panel.Pix[:1])) == len(panel.Pix); blank != (screen.Kind == display.Blank) {
				t.Errorf("%s at %dx%d: blank is %t (%s)", state.name, p.width, p.height, blank, shows)
			}
			at := image.Pt(x, gap+row*(height+gap))
			draw.Draw(sheet, panel.Rect.Add(at), panel.Gray, image.Point{}, draw.Src)
			x += p.width + gap
		}
	}
	f, err := os.Create(filepath.Join(t.ArtifactDir(), "screens.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, sheet); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(t.Output(), "the contact sheet: %s\n", f.Name())
}
