package display_test

import (
	"fmt"
	"image"
	"os"
	"slices"
	"strings"
	"testing"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// panels are the displays that people have, with the pitch of the common ones.
var panels = []struct {
	name          string
	width, height int
	traits        display.Traits
}{
	{"OLED 0.91 inch", 128, 32, display.Traits{Technology: display.OLED, Pitch: 0.175}},
	{"OLED 0.96 inch", 128, 64, display.Traits{Technology: display.OLED, Pitch: 0.17}},
	{"OLED 1.3 inch", 128, 64, display.Traits{Technology: display.OLED, Pitch: 0.23}},
	{"OLED upright", 64, 128, display.Traits{Technology: display.OLED, Pitch: 0.17}},
	{"e-paper 2.13 inch", 250, 122, display.Traits{Technology: display.EPaper, Pitch: 0.194}},
	{"e-paper upright", 122, 250, display.Traits{Technology: display.EPaper, Pitch: 0.194}},
	{"e-paper 2.9 inch", 296, 128, display.Traits{Technology: display.EPaper, Pitch: 0.227}},
	{"e-paper 1.54 inch", 200, 200, display.Traits{Technology: display.EPaper, Pitch: 0.138}},
	{"TFT 1.8 inch", 160, 128, display.Traits{Pitch: 0.22}},
	{"TFT 1.3 inch", 240, 240, display.Traits{Pitch: 0.0975}},
	{"TFT 2.8 inch", 320, 240, display.Traits{Pitch: 0.18}},
	{"TFT 3.5 inch", 480, 320, display.Traits{Pitch: 0.153}},
	{"TFT, size unknown", 480, 320, display.Traits{}},
	{"monitor", 640, 480, display.Traits{}},
	{"TFT 7 inch", 800, 480, display.Traits{Pitch: 0.19}},
	{"monitor", 1280, 800, display.Traits{}},
	{"television", 1920, 1080, display.Traits{Pitch: 0.36}},
}

// methods are the ways to link with what each has at hand.
func methods(t testing.TB) []struct {
	name   string
	screen display.Screen
} {
	state := offer(t, 383)
	whole := offer(t, 469)
	page := linkPage(t)
	back := linkPage(t)
	back.Payloads = []display.Payload{page.Payloads[1], page.Payloads[0]}
	return []struct {
		name   string
		screen display.Screen
	}{
		{"authorize URL, 383 bytes", state},
		{"authorize URL, 469 bytes", whole},
		{"link page", page},
		{"authorize URL that comes back", back},
		{"code pair", pair()},
	}
}

func linkPage(t testing.TB) display.Screen {
	s := offer(t, 469)
	s.Address = "HTTP://192.168.1.20:9744/7K2Q"
	s.Payloads = append([]display.Payload{{Name: "link page", Text: s.Address}}, s.Payloads...)
	s.Scan = "Scan this with a phone in the same network, or open this address there:"
	s.Lines = []string{"It says how to go on, and this screen says when it is done."}
	return s
}

// TestPlanOfEachDisplayAndMethod holds what is shown against the golden table,
// and reads the codes with a decoder. To accept a change that you have looked
// at: LWA_AGENT_UPDATE=1 go test -run Plan ./display.
func TestPlanOfEachDisplayAndMethod(t *testing.T) {
	const golden = "testdata/plans.txt"
	var table strings.Builder
	all := methods(t)
	read := slices.Collect(displaytest.Spread(len(all)*len(panels), 32)) // each of the displays at least once
	for i, m := range all {
		fmt.Fprintf(&table, "%s\n", m.name)
		for j, p := range panels {
			fmt.Fprintf(&table, "  %-18s %9s  %s\n", p.name, fmt.Sprintf("%dx%d", p.width, p.height), display.Plan(p.width, p.height, p.traits, m.screen))
			if !slices.Contains(read, i*len(panels)+j) {
				continue
			}
			panel := displaytest.NewSheet(p.width, p.height)
			shows, err := display.NewCanvas(panel, p.traits).Draw(m.screen)
			if err != nil {
				t.Fatal(err)
			}
			if p.height > 32 && strings.HasPrefix(shows, "text") && !strings.HasPrefix(m.name, "authorize URL, ") {
				t.Errorf("%s on the %s is %q: only 128x32 is too small for a code of this method", m.name, p.name, shows)
			}
			photo := panel.Gray // of large screens, whose codes are coarse, one is enough
			if p.width <= 320 {
				photo = seen(panel.Gray)
			}
			if want := payloadNamed(m.screen, shows); want != "" && (p.width <= 480 || m.name == "code pair") {
				if got, err := displaytest.DecodeQR(photo); err != nil || got != want {
					t.Errorf("%s on the %s (%s): a phone reads %q (%v), want %q", m.name, p.name, shows, got, err, want)
				}
			}
		}
		for _, size := range []image.Point{{80, 24}, {80, 25}, {100, 30}, {100, 37}, {132, 43}, {240, 67}} {
			_, shows := utf8Cells(size.X, size.Y).FullScreen(m.screen)
			c := utf8Cells(size.X, size.Y)
			c.NoHalfBlock = "this font lacks U+2580"
			_, plain := c.FullScreen(m.screen)
			fmt.Fprintf(&table, "  %-18s %9s  %s\n", "terminal", fmt.Sprintf("%dx%d", size.X, size.Y), shows)
			fmt.Fprintf(&table, "  %-18s %9s  %s\n", "  no half blocks", fmt.Sprintf("%dx%d", size.X, size.Y), plain)
		}
	}
	if os.Getenv("LWA_AGENT_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if table.String() != string(want) {
		t.Errorf("a display shows something else than %s says:\n%s", golden, difference(string(want), table.String()))
	}
}

// difference is the lines that two tables do not share.
func difference(want, got string) string {
	var out strings.Builder
	lines := map[string]bool{}
	for line := range strings.Lines(want) {
		lines[line] = true
	}
	for line := range strings.Lines(got) {
		if !lines[line] {
			out.WriteString(line)
		}
	}
	return out.String()
}
