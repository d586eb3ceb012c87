package config

import (
	"reflect"
	"testing"

	"lwa-agent/display/panel"
)

func TestWhatIsWrongWithADisplayIsSaid(t *testing.T) {
	for line, want := range map[string]string{
		`address = "0x3c"`: "display[0].address is text, not a number; write digits without quotes",
		`address = 0x80`:   "display[0].address is 128; write a whole number from 8 to 119",
		`rotate = 45`:      "display[0].rotate is 45; write 0, 90, 180 or 270: degrees clockwise",
		`rotate = 360`:     "display[0].rotate is 360; write a whole number from 0 to 270",
		`width = 12.5`:     "display[0].width is 12.5; write a whole number from 1 to 16384",
		`height = 0`:       "display[0].height is 0; write a whole number from 1 to 16384",
		`width_mm = -1`:    "display[0].width_mm is -1; write the width of the picture in mm, as it is mounted",
		`width_mm = nan`:   "display[0].width_mm is no number that can be used; write digits",
		`dc_pin = 25`:      `display[0].dc_pin is a number, not text; write it in quotes: dc_pin = "…"`,
	} {
		path := write(t, "c.toml", 0o600, "[[display]]\ndriver = \"ssd1306\"\n"+line+"\n")
		if _, err := LoadDisplays(path); sprint("%v", err) != path+":3: "+want {
			t.Errorf("%s is answered with\n%v, want\n%s:3: %s", line, err, path, want)
		}
	}
	path := write(t, "c.toml", 0o600, "[[display]]\ndriver = \"ssd1306\"\naddress = 0x3D\nwidth_mm = 21.7\nwidth = 1_28\n")
	got, err := LoadDisplays(path)
	if want := []panel.Config{{Driver: "ssd1306", Address: 0x3d, Width: 128, WidthMM: 21.7}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}

func TestDisplaysAreFoundBesideOtherMistakes(t *testing.T) {
	text := "clint_id = 3\n[elsewhere]\nx = 1\n[inbox]\npath = 3\nclient_secret_file = \"/none\"\n[[display]]\ndriver = \"png\"\ndevice = \"/run/x.png\"\n[[display]]\ndevice = \"/dev/tty1\"\n"
	path := write(t, "c.toml", 0o600, text)
	got, err := LoadDisplays(path)
	if want := []panel.Config{{Driver: "png", Device: "/run/x.png"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("displays %+v, want %+v: what is wrong elsewhere must not darken a screen", got, want)
	}
	if want := path + ":10: a [[display]] has no driver; write one, as in driver = \"terminal\""; sprint("%v", err) != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if got, err := LoadDisplays("/nonexistent"); got != nil || err == nil {
		t.Errorf("LoadDisplays of nothing = %v, %v; want an error that says so", got, err)
	}
}

// TestWhatWasMeantForADisplayIsSaid: the process that draws, and --test above all,
// would go on with the screen that nobody configured and say nothing.
func TestWhatWasMeantForADisplayIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"[[display]]\ndriver = \"png\"\nrotat = 90\n": "3: unknown key display[0].rotat; did you mean rotate?",
		"[display]\ndriver = \"png\"\n":               "1: display is a list, of which this is no element; write [[display]] with two brackets",
		"[[displays]]\ndriver = \"png\"\n":            "1: unknown table displays; did you mean display?",
		"display = \"png\"\n":                         "1: unknown key display; display is a list of tables: write [[display]], and its keys in the lines below",
		"driver = \"png\"\n":                          "1: unknown key driver; driver belongs below [[display]]",
	} {
		path := write(t, "c.toml", 0o600, text)
		if _, err := LoadDisplays(path); sprint("%v", err) != path+":"+want {
			t.Errorf("%q is answered with\n%v, want\n%s:%s", text, err, path, want)
		}
	}
}
