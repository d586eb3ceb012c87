package panel

import (
	"bytes"
	"flag"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"

	periph "periph.io/x/conn/v3/display"
)

var updatePictures = flag.Bool("update", false, "make the README's pictures of panels anew")

// linkScreen is what a device shows that is linked by code-based linking.
func linkScreen() display.Screen {
	return display.Screen{
		Kind: display.Offer, Title: "Link this device to Amazon",
		Payloads: []display.Payload{{Name: "code-pair URL", Text: "https://amazon.com/us/code?cbl-code=BEYHYS"}},
		Scan:     "Scan this with your phone's camera, or open", Open: "Open this address on a phone or a computer:",
		Address: "amazon.com/us/code", Enter: "Sign in and enter the code", Code: "BEYHYS", Left: "10 minutes left.",
		Lines: []string{"This screen says when it is done."},
		Brief: display.Brief{Title: "Link to Amazon", Scan: "Scan or open", Open: "Open:", Left: "10 min"},
	}
}

// TestPicturesInTheREADMEAreWhatPanelsShow draws the same screen through each
// driver and takes the picture from the simulated panel.
func TestPicturesInTheREADMEAreWhatPanelsShow(t *testing.T) {
	for name, show := range map[string]func(*testing.T) *image.Gray{
		"ssd1306":    func(t *testing.T) *image.Gray { return onOLED(t, "ssd1306", 64) },
		"ssd1306-32": func(t *testing.T) *image.Gray { return onOLED(t, "ssd1306", 32) },
		"sh1106":     func(t *testing.T) *image.Gray { return onOLED(t, "sh1106", 64) },
		"waveshare2in13v4": func(t *testing.T) (glass *image.Gray) {
			synctest.Test(t, func(t *testing.T) {
				b := newEPaperBench(t, "waveshare2in13v4", 0)
				show(t, b.turned, epaperTraits())
				glass = lying(b.Glass())
			})
			return glass
		},
		"framebuffer": onFramebuffer,
	} {
		t.Run(name, func(t *testing.T) {
			got := framed(show(t))
			golden := filepath.Join("testdata", name+".png")
			if *updatePictures {
				if err := os.WriteFile(golden, encoded(t, got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			file, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			picture, err := png.Decode(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if displaytest.Differing(displaytest.Grey(picture), got) != 0 {
				t.Errorf("the panel shows something else than %s: go test ./display/panel -run Pictures -update, then look at it", golden)
			}
			if name == "ssd1306-32" {
				return // too small for a code
			}
			if text, err := displaytest.DecodeQR(picture); err != nil || text != linkScreen().Payloads[0].Text {
				t.Errorf("a phone reads %q (%v) from the picture", text, err)
			}
		})
	}
}

func show(t *testing.T, drawer periph.Drawer, traits display.Traits) {
	t.Helper()
	if _, err := display.NewCanvas(drawer, traits).Draw(linkScreen()); err != nil {
		t.Fatal(err)
	}
}

func onOLED(t *testing.T, driver string, height int) *image.Gray {
	t.Helper()
	p := plugIn(t, driver, Config{Height: height})
	show(t, p.drawer, oledTraits())
	return p.Picture()
}

func onFramebuffer(t *testing.T) *image.Gray {
	t.Helper()
	sim := displaytest.NewFramebuffer(480, 320, 16)
	f, err := newFramebuffer("/dev/fb0", sim)
	if err != nil {
		t.Fatal(err)
	}
	show(t, f, display.Traits{Pitch: 0.153})
	return displaytest.Grey(sim.Picture())
}

// lying turns the picture on the glass as the panel lies on a HAT.
func lying(glass *image.Gray) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, displaytest.EPaperHeight, displaytest.EPaperWidth))
	for y := range displaytest.EPaperWidth {
		for x := range displaytest.EPaperHeight {
			out.SetGray(x, y, glass.GrayAt(y, displaytest.EPaperHeight-1-x))
		}
	}
	return out
}

// framed is the picture with the dark frame of a panel, small ones enlarged.
//
//go:norace
func framed(picture *image.Gray) *image.Gray {
	scale := 1
	if picture.Rect.Dx() < 300 {
		scale = 2
	}
	const frame = 8
	size := picture.Rect.Size().Mul(scale).Add(image.Pt(2*frame, 2*frame))
	out := image.NewGray(image.Rectangle{Max: size})
	for i := range out.Pix {
		out.Pix[i] = 0x30
	}
	for y := range picture.Rect.Dy() * scale {
		for x := range picture.Rect.Dx() * scale {
			out.SetGray(frame+x, frame+y, picture.GrayAt(picture.Rect.Min.X+x/scale, picture.Rect.Min.Y+y/scale))
		}
	}
	return out
}

func encoded(t *testing.T, picture image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func epaperTraits() display.Traits {
	return display.Traits{Technology: display.EPaper, Pitch: epaperWidthMM / epaperLength}
}
