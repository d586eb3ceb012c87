package display_test

import (
	"bytes"
	"image"
	"image/color"
	"testing"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// seen is the picture as a camera sees it: with the black bezel of the panel
// round it, and a few pixels for each of the panel's.
//
//go:norace
func seen(picture *image.Gray) *image.Gray {
	const scale, bezel = 3, 40
	b := picture.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx()*scale+2*bezel, b.Dy()*scale+2*bezel))
	for y := range b.Dy() * scale {
		row := out.Pix[out.PixOffset(bezel, y+bezel):]
		for x, v := range picture.Pix[picture.PixOffset(0, y/scale):][:b.Dx()] {
			copy(row[x*scale:], []byte{v, v, v})
		}
	}
	return out
}

func TestReasonSaysWhatWouldMakeACodeFit(t *testing.T) {
	panel := displaytest.NewSheet(128, 64)
	shows, err := display.NewCanvas(panel, display.Traits{Technology: display.OLED, Pitch: 0.17}).Draw(offer(t, 469))
	want := `text: authorize URL needs 77 modules, 128x64 shows 29: link with a client id of "Other devices and platforms"`
	if err != nil || shows != want {
		t.Errorf("status would say %q (%v), want %q", shows, err, want)
	}
	shows, err = display.NewCanvas(panel, display.Traits{Technology: display.OLED, Pitch: 0.17}).Draw(linkPage(t))
	if err != nil || shows != "QR of the link page, version 2-Q" {
		t.Errorf("status would say %q (%v), want the link page, which comes first", shows, err)
	}
	back := linkPage(t)
	back.Payloads = []display.Payload{back.Payloads[1], back.Payloads[0]}
	shows, err = display.NewCanvas(panel, display.Traits{Technology: display.OLED, Pitch: 0.17}).Draw(back)
	if err != nil || shows != "QR of the link page, version 2-Q (authorize URL needs 77 modules, 128x64 shows 29)" {
		t.Errorf("status would say %q (%v), want why the authorize URL was passed over", shows, err)
	}
}

// TestOLEDLightsTheCodeAndNothingElse: lit pixels age, and the quiet zone has to
// be lit against the black round it.
func TestOLEDLightsTheCodeAndNothingElse(t *testing.T) {
	panel := displaytest.NewSheet(128, 64)
	canvas := display.NewCanvas(panel, display.Traits{Technology: display.OLED, Pitch: 0.17})
	if _, err := canvas.Draw(pair()); err != nil {
		t.Fatal(err)
	}
	for y := range 64 {
		if panel.GrayAt(0, y).Y == 0 || panel.GrayAt(2, y).Y == 0 {
			t.Fatalf("row %d of the quiet zone is not lit", y)
		}
	}
	lit := 0
	for y := range 64 {
		for x := 64; x < 128; x++ {
			lit += int(panel.GrayAt(x, y).Y / 0xff)
		}
	}
	if lit == 0 || lit > 64*64/3 {
		t.Errorf("%d of %d pixels beside the code are lit, want letters on black", lit, 64*64)
	}
	if _, err := canvas.Draw(display.Screen{}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(panel.Pix, []byte{0xff}) {
		t.Error("a blank OLED has lit pixels, which burn in")
	}
}

// TestEPaperIsLeftAloneByTheMinutes: each picture flickers for seconds.
func TestEPaperIsLeftAloneByTheMinutes(t *testing.T) {
	for _, want := range []struct {
		technology display.Technology
		draws      int
	}{{display.EPaper, 1}, {display.OLED, 2}, {display.LCD, 2}} {
		panel := displaytest.NewSheet(250, 122)
		canvas := display.NewCanvas(panel, display.Traits{Technology: want.technology})
		s := pair()
		for _, left := range []string{"9 minutes left.", "8 minutes left."} {
			s.Left, s.Brief.Left = left, left
			if _, err := canvas.Draw(s); err != nil {
				t.Fatal(err)
			}
		}
		if panel.Draws != want.draws {
			t.Errorf("technology %d: drawn %d times while a minute went by, want %d", want.technology, panel.Draws, want.draws)
		}
	}
}

func TestPictureIsBlackOnWhite(t *testing.T) {
	for _, s := range []display.Screen{pair(), offer(t, 469), {Kind: display.Linked, Title: "Linked"}} {
		panel := displaytest.NewSheet(480, 320)
		if _, err := display.NewCanvas(panel, display.Traits{}).Draw(s); err != nil {
			t.Fatal(err)
		}
		dark := 0
		for _, v := range panel.Pix {
			switch v {
			case 0:
				dark++
			case 0xff:
			default:
				t.Fatalf("a pixel is %#x: on a panel of one bit it would be anything", v)
			}
		}
		if dark == 0 || dark > len(panel.Pix)/2 {
			t.Errorf("%q: %d of %d pixels are black, want some and fewer than half", s.Title, dark, len(panel.Pix))
		}
	}
}

func TestPictureStaysUntilTheScreenChanges(t *testing.T) {
	panel := displaytest.NewSheet(250, 122)
	canvas := display.NewCanvas(panel, display.Traits{Technology: display.EPaper})
	for range 3 {
		if _, err := canvas.Draw(pair()); err != nil {
			t.Fatal(err)
		}
	}
	if panel.Draws != 1 {
		t.Errorf("drawn %d times for one screen; e-paper flickers for seconds each time", panel.Draws)
	}
	if err := canvas.Close(); err != nil {
		t.Fatal(err)
	}
	for _, v := range panel.Pix {
		if v != (color.Gray{0xff}).Y {
			t.Fatal("something is left after Close: e-paper would show the code for years")
		}
	}
}

// TestSmallestPanelShowsAddressAndCode: 128x32 holds two rows of text, and
// nothing else would help.
func TestSmallestPanelShowsAddressAndCode(t *testing.T) {
	panel := displaytest.NewSheet(128, 32)
	if _, err := display.NewCanvas(panel, display.Traits{}).Draw(pair()); err != nil {
		t.Fatal(err)
	}
	ink := func(top, bottom int) (right int) {
		for y := top; y < bottom; y++ {
			for x := range 128 {
				if panel.GrayAt(x, y).Y == 0 {
					right = max(right, x)
				}
			}
		}
		return right
	}
	if address, code := ink(0, 14), ink(14, 32); address < 18*7-8 || code < 6*8-8 || code > 6*8+2 {
		t.Errorf("the rows end at pixels %d and %d; want amazon.com/us/code (about 126) and BEYHYS (about 48)", address, code)
	}
}

// TestCodeForTypingIsSeenBesideEveryQRCode: where that is only the page's, nobody
// could go on without it.
func TestCodeForTypingIsSeenBesideEveryQRCode(t *testing.T) {
	other := pair()
	other.Code = "XXXXXX" // and the same to scan
	for _, width := range []int{64, 78, 116, 128} {
		for i := range displaytest.Spread(26, 6) {
			height := 64 + 3*i
			var pictures [2]*displaytest.Sheet
			for i, s := range []display.Screen{pair(), other} {
				pictures[i] = displaytest.NewSheet(width, height)
				mustDraw(t, display.NewCanvas(pictures[i], display.Traits{}), s)
			}
			if bytes.Equal(pictures[0].Pix, pictures[1].Pix) {
				t.Errorf("%dx%d does not show the code for typing", width, height)
			}
		}
	}
}
