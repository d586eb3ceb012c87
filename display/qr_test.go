package display

import (
	"errors"
	"strings"
	"testing"
)

func TestErrorCorrectionThatCostsNothingIsTaken(t *testing.T) {
	for _, want := range []struct {
		text, shows string
		size        int
	}{
		{"https://amazon.com/us/code?cbl-code=BEYHYS", "QR of the thing, version 3-M", 29},
		{"HTTP://192.168.1.20:9745/L", "QR of the thing, version 2-Q", 25},
		{strings.Repeat("x", 469), "QR of the thing, version 15-L", 77},
		{"1", "QR of the thing, version 1-H", 21},
	} {
		q, err := encode(Payload{Name: "thing", Text: want.text})
		if err != nil {
			t.Fatal(err)
		}
		if q.String() != want.shows || q.size() != want.size || len(q.modules()) != want.size {
			t.Errorf("%.30s: %s of %d modules (%d drawn), want %s of %d",
				want.text, q, q.size(), len(q.modules()), want.shows, want.size)
		}
	}
}

func TestTextTooLongForAnyCodeIsNamed(t *testing.T) {
	s := Screen{Kind: Offer, Payloads: []Payload{{"authorize URL", strings.Repeat("x", 3000)}}, Address: "https://long"}
	_, shows := Cells{Columns: 400, Rows: 200, Escapes: true}.FullScreen(s)
	if want := "text: the authorize URL is too long for a QR code (3000 bytes)"; !strings.HasPrefix(shows, want) {
		t.Errorf("shows %q, want %q", shows, want)
	}
	if _, err := encode(s.Payloads[0]); errors.Unwrap(err) == nil {
		t.Errorf("%v hides its cause", err)
	}
}

func TestAddressIsBrokenWhereItIsEasyToType(t *testing.T) {
	for _, want := range []struct {
		address string
		columns int
		rows    string
	}{
		{"amazon.com/us/code", 8, "amazon|.com/us/|code"},
		{"amazon.com/us/code", 18, "amazon.com/us/code"},
		{"HTTP://192.168.1.20:9744/7K2Q", 13, "HTTP://192|.168.1.20|:9744/7K2Q"},
		{"HTTP://192.168.1.20:9744/7K2Q", 8, "HTTP://|192.168|.1.20|:9744/|7K2Q"},
		{"abcdefghij", 4, "abcd|efgh|ij"},
		{"a.b", 0, "a|.|b"},
	} {
		if got := strings.Join(pieces(want.address, want.columns), "|"); got != want.rows {
			t.Errorf("%s in %d columns: %s, want %s", want.address, want.columns, got, want.rows)
		}
	}
}
