package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestSetChangesWhatIsSetAndNothingElse(t *testing.T) {
	for _, test := range []struct {
		why, before string
		set         Setting
		want        string
	}{
		{"the first setting", "", Setting{"client_id", "x"}, "client_id = \"x\"\n"},
		{"in its place, with its comment", "# mine\nclient_id = 'a' # so\r\nregion = \"eu\"", Setting{"client_id", "x"}, "# mine\nclient_id = \"x\" # so\r\nregion = \"eu\""},
		{"over two lines", "client_id = \"\"\"\\\n  a\"\"\"\n", Setting{"client_id", "x"}, "client_id = \"x\"\n"},
		{"above the first table, where it would belong to that", "[endpoints]\ntoken = 't'\n", Setting{"client_id", "x"}, "client_id = \"x\"\n[endpoints]\ntoken = 't'\n"},
		{"after the mark of Windows' Notepad", "\ufeff[inbox]\n", Setting{"client_id", "x"}, "\ufeffclient_id = \"x\"\n[inbox]\n"},
		{"with the mark, in its place", "\ufeffclient_id = ''\n", Setting{"client_id", "x"}, "\ufeffclient_id = \"x\"\n"},
		{"in a table of its own", "region = 'eu'", Setting{"device.product_id", "x"}, "region = 'eu'\n\n[device]\nproduct_id = \"x\"\n"},
		{"in the table that is there", "[device] # it\nserial_number = 's'\n[inbox]\n", Setting{"device.product_id", "x"}, "[device] # it\nproduct_id = \"x\"\nserial_number = 's'\n[inbox]\n"},
		{"a number, without quotes", "[[display]]\ndriver = 'ssd1306'\n", Setting{"display[0].address", "0x3d"}, "[[display]]\naddress = 0x3d\ndriver = 'ssd1306'\n"},
		{"in a table that ends the file", "[device]", Setting{"device.product_id", "x"}, "[device]\nproduct_id = \"x\"\n"},
		{"beside dotted keys", "device.serial_number = 's'\n", Setting{"device.product_id", "x"}, "device.product_id = \"x\"\ndevice.serial_number = 's'\n"},
		{"in braces", "device = { product_id = 'a', serial_number = 's' }\n", Setting{"device.product_id", "x"}, "device = { product_id = \"x\", serial_number = 's' }\n"},
		{"a default needs no line", "# empty\n", Setting{"region", ""}, "# empty\n"},
		{"back to the default", "region = 'eu'\n", Setting{"region", ""}, "region = \"\"\n"},
		{"the same again", "region = 'eu'\n", Setting{"region", "eu"}, "region = 'eu'\n"},
		{"characters that TOML wants marked", "", Setting{"client_id", "\"\\\t\u0080ü"}, "client_id = \"\\\"\\\\\\u0009\\u0080ü\"\n"},
	} {
		got, err := Set("f", []byte(test.before), test.set)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: %v\n got %q\nwant %q", test.why, err, got, test.want)
		}
	}
}

func TestSetSaysWhatItCannotChange(t *testing.T) {
	for before, want := range map[string]string{
		"client_id = [\n":                      "f:1: ",
		"client_id = 5\n":                      "f:1: client_id is a number, not text; write it in quotes: client_id = \"…\"",
		"\ndevice = { serial_number = 's' }\n": "f:2: device.product_id cannot be added to what stands here; write it there yourself: product_id = \"x\"",
	} {
		_, err := Set("f", []byte(before), Setting{"device.product_id", "x"}, Setting{"client_id", "x"})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Set in %q: %v, want %q", before, err, want)
		}
	}
}

func FuzzSet(f *testing.F) {
	f.Add([]byte(exampleText(f)), "x", "y")
	f.Add([]byte("\ufeffdevice.serial_number = 's'\r\n[inbox]\npaths = [\n'/a', # a\n]\n"), "\"\x00", "\\")
	f.Add([]byte("[[device]]\n[device.x]\n\"client_id\" = '''\n'''"), "", "\xff")
	f.Add([]byte("[device]"), "", "z")
	f.Fuzz(func(t *testing.T, text []byte, id, product string) {
		id, product = strings.ToValidUTF8(id, "?"), strings.ToValidUTF8(product, "?")
		changed, err := Set("f", text, Setting{"client_id", id}, Setting{"device.product_id", product})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("an error that nobody can read: %q", err)
			}
			return
		}
		before, problem := readDocument("f", trimBOM(text))
		if problem != nil {
			t.Fatalf("what is no TOML was changed: %v", problem)
		}
		after, problem := readDocument("f", trimBOM(changed))
		if problem != nil {
			t.Fatalf("no TOML any more: %v\n%q", problem, changed)
		}
		if after.values["client_id"].text != id || after.values["device.product_id"].text != product {
			t.Errorf("not set in %q", changed)
		}
		if a, b := others(before), others(after); !reflect.DeepEqual(a, b) {
			t.Errorf("other settings changed: %v, then %v", a, b)
		}
	})
}

// others are the values that the target does not set, without their lines.
func others(d document) map[string]string {
	all := map[string]string{}
	for path, v := range d.values {
		if path != "client_id" && path != "device.product_id" {
			all[path] = plain(v)
		}
	}
	return all
}

func plain(v value) string {
	text := v.kind.String() + " " + v.text
	for _, item := range v.items {
		text += "\n" + plain(item)
	}
	return text
}
