package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/display/panel"
)

// aDevice is one with an OLED panel, an SPI port and a console.
func aDevice() []panel.Found {
	return []panel.Found{
		{What: "a panel at 0x3c on /dev/i2c-1", Sure: true, Answers: true, Configs: []panel.Config{
			{Driver: "ssd1306", Device: "/dev/i2c-1", Address: 0x3c}, {Driver: "sh1106", Device: "/dev/i2c-1", Address: 0x3c},
		}},
		{What: "an SPI port", Configs: []panel.Config{{Driver: "waveshare2in13v4", Device: "/dev/spidev0.0"}}},
		{What: "the console", Sure: true, Configs: []panel.Config{{Driver: "terminal", Device: "/dev/tty1"}}},
	}
}

// TestListIsLinesToPaste: what is printed is taken by the configuration as it
// stands, with the likeliest of what is there for certain.
func TestListIsLinesToPaste(t *testing.T) {
	var out bytes.Buffer
	(&app{Streams: Streams{Out: &out}}).listDisplays(aDevice(), []string{"a thing: there is none; buy one"})
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.LoadDisplays(path)
	want := []panel.Config{{Driver: "ssd1306", Device: "/dev/i2c-1", Address: 0x3c}, {Driver: "terminal", Device: "/dev/tty1"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("pasted, it gives %+v (%v), want %+v:\n%s", got, err, want, out.String())
	}
	for _, words := range []string{
		"#driver = \"sh1106\"", "#driver = \"waveshare2in13v4\"", "# missing: a thing: there is none; buy one",
		"# With no [[display]] at all: /dev/tty1 (terminal), once a link is offered",
	} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("it lacks %q:\n%s", words, out.String())
		}
	}
}

func TestSetupOffersThePanelThatAnswers(t *testing.T) {
	for answer, driver := range map[string]string{"\n": "ssd1306", "2\n": "sh1106", "7\n0\n": ""} {
		var out bytes.Buffer
		s := &setup{
			app: &app{Streams: Streams{In: strings.NewReader(answer), Out: &out}}, terminal: true, path: "config.toml",
		}
		s.command = s.setupCommand()
		if err := s.offerDisplays(t.Context(), aDevice()); err != nil {
			t.Fatalf("%q: %v\n%s", answer, err, out.String())
		}
		text, err := config.Set(s.path, []byte("# mine\n"), s.settings...)
		if err != nil {
			t.Fatal(err)
		}
		want := "# mine\n"
		if driver != "" {
			want += "\n[[display]]\naddress = 0x3c\ndevice = \"/dev/i2c-1\"\ndriver = \"" + driver + "\"\n"
		}
		if string(text) != want {
			t.Errorf("answered with %q, the configuration is\n%s\nwant\n%s", answer, text, want)
		}
		if n := strings.Count(out.String(), "Found: "); n != 1 {
			t.Errorf("asked about %d displays, want the panel alone: a screen is drawn on without a question\n%s", n, out.String())
		}
	}
}

// TestSetupTellsTwoPanelsOnABusApart: without their addresses both would be drawn
// on the first, and the second would stay dark.
func TestSetupTellsTwoPanelsOnABusApart(t *testing.T) {
	found := aDevice()[:1]
	found = append(found, panel.Found{What: "a panel at 0x3d on /dev/i2c-1", Sure: true, Answers: true, Configs: []panel.Config{
		{Driver: "ssd1306", Device: "/dev/i2c-1", Address: 0x3d},
	}})
	s := &setup{app: &app{Streams: Streams{In: strings.NewReader("\n\n"), Out: io.Discard}}, terminal: true, path: filepath.Join(t.TempDir(), "config.toml")}
	s.command = s.setupCommand()
	if err := s.offerDisplays(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	text, err := config.Set(s.path, nil, s.settings...)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.LoadDisplays(s.path)
	if want := []panel.Config{found[0].Configs[0], found[1].Configs[0]}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("it configures %+v (%v), want %+v:\n%s", got, err, want, text)
	}
}
