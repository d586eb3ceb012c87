package panel

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"testing"
	"time"

	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/physic"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// plugged is a panel on a bus of its own, and its driver.
type plugged struct {
	*displaytest.OLED
	bus    *displaytest.I2CBus
	drawer periph.Drawer
}

func plugIn(t *testing.T, driver string, c Config) plugged {
	t.Helper()
	p := plugged{displaytest.NewSSD1306(64), displaytest.NewI2CBus(), nil}
	chip := ssd1306()
	if c.Height == 32 {
		p.OLED = displaytest.NewSSD1306(32)
	}
	if driver == "sh1106" {
		p.OLED, chip = displaytest.NewSH1106(), sh1106()
	}
	p.bus.Plug(0x3c, p.OLED)
	var err error
	if p.drawer, err = oledOnI2C(p.bus, c, chip); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p plugged) draw(t *testing.T, picture *image.Gray) {
	t.Helper()
	if err := p.drawer.Draw(p.drawer.Bounds(), picture, picture.Rect.Min); err != nil {
		t.Fatal(err)
	}
}

func TestOLEDShowsWhatIsDrawnToThePixel(t *testing.T) {
	for _, driver := range []string{"ssd1306", "ssd1306 32", "sh1106"} {
		c := Config{}
		if driver == "ssd1306 32" {
			c = Config{Width: 128, Height: 32}
		}
		p := plugIn(t, driver, c)
		want := displaytest.Noise(p.drawer.Bounds())
		p.draw(t, want)
		if n := displaytest.Differing(p.Picture(), want); n != 0 {
			t.Errorf("%s: %d of %d pixels are wrong", driver, n, len(want.Pix))
		}
		if err := p.drawer.Draw(want.Rect, image.NewUniform(color.RGBA{250, 250, 220, 255}), image.Point{}); err != nil {
			t.Fatal(err)
		}
		if seen := p.Picture(); bytes.Contains(seen.Pix, []byte{0}) {
			t.Errorf("%s: a bright picture in colours is not lit everywhere", driver)
		}
		if !p.On() || p.Clock()>>4 != 15 {
			t.Errorf("%s: on %v, clock %#x; with a slower one cameras see dark bands", driver, p.On(), p.Clock())
		}
		if c := p.Complaints(); len(c) != 0 {
			t.Errorf("%s: what was sent is not in the datasheet: %q", driver, c)
		}
	}
}

// A memory at random is what a person would see first otherwise, and a code
// among it that no phone reads.
func TestRandomMemoryIsNeverSeen(t *testing.T) {
	for _, driver := range []string{"ssd1306", "sh1106"} {
		p := plugIn(t, driver, Config{})
		want, steps := displaytest.Noise(p.drawer.Bounds()), 0
		p.bus.After(func() {
			steps++
			if seen := p.Picture(); displaytest.Lit(seen) && displaytest.Differing(seen, want) != 0 {
				t.Errorf("%s: after transfer %d there is something else to be seen than the picture", driver, steps)
			}
		})
		p.draw(t, want)
		if steps == 0 || displaytest.Differing(p.Picture(), want) != 0 {
			t.Errorf("%s: the picture is not there after %d transfers", driver, steps)
		}
	}
}

func TestUnchangedPictureSendsNothing(t *testing.T) {
	p := plugIn(t, "ssd1306", Config{})
	picture := displaytest.Noise(p.drawer.Bounds())
	p.draw(t, picture)
	p.bus.Traffic()
	p.draw(t, picture)
	if got := p.bus.Traffic(); got != (displaytest.Traffic{}) {
		t.Errorf("the picture that is there was sent again: %+v", got)
	}
}

func TestFirstPictureTakesNoLongerThanTheWire(t *testing.T) {
	for _, driver := range []string{"ssd1306", "sh1106"} {
		p := plugIn(t, driver, Config{})
		p.draw(t, displaytest.Noise(p.drawer.Bounds()))
		traffic := p.bus.Traffic()
		fast, slow := traffic.At(400*physic.KiloHertz), traffic.At(100*physic.KiloHertz)
		t.Logf("%s: %+v, %v at 400 kHz, %v at 100 kHz", driver, traffic, fast, slow)
		if traffic.Bytes > 1097 || fast > 25500*time.Microsecond || slow > 101*time.Millisecond {
			t.Errorf("%s: %+v, %v at 400 kHz and %v at 100 kHz; periph's driver sends 1097 bytes in 25.2 and 100.6 ms",
				driver, traffic, fast, slow)
		}
	}
}

func oledTraits() display.Traits {
	return display.Traits{Technology: display.OLED, Pitch: 0.17}
}

// pair leaves the payload as it is, so that only the line with the code changes.
func pair(code string) display.Screen {
	return display.Screen{
		Kind:     display.Offer,
		Title:    "Link this device to Amazon",
		Payloads: []display.Payload{{Name: "code-pair URL", Text: "https://amazon.com/us/code?cbl-code=BEYHYS"}},
		Scan:     "Scan, or open", Open: "Open", Address: "amazon.com/us/code", Enter: "and enter", Code: code,
	}
}

func TestCodeOnAnOLEDIsReadFromAPhoto(t *testing.T) {
	for _, driver := range []string{"ssd1306", "sh1106"} {
		for _, degrees := range []int{0, 90} {
			p := plugIn(t, driver, Config{Rotate: degrees})
			screen := pair("BEYHYS")
			if shows, err := display.NewCanvas(p.drawer, oledTraits()).Draw(screen); err != nil || shows != "QR of the code-pair URL, version 3-M" {
				t.Fatalf("%s: shows %q (%v)", driver, shows, err)
			}
			read(t, fmt.Sprintf("%s-%d", driver, degrees), p.Picture(), screen.Payloads[0].Text)
		}
	}
}

// read has two decoders read a photo of the panel.
func read(t *testing.T, name string, picture *image.Gray, want string) {
	t.Helper()
	photo := displaytest.Photo(picture)
	if got, err := displaytest.DecodeQR(photo); err != nil || got != want {
		t.Errorf("a phone reads %q (%v), want %q", got, err, want)
	}
	path := filepath.Join(t.ArtifactDir(), name+".png")
	file, err := os.Create(path)
	if err == nil {
		err = errors.Join(displaytest.PNG().Encode(file, photo), file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := displaytest.Zbarimg(t, path); got != want {
		t.Errorf("zbarimg reads %q, want %q", got, want)
	}
}

// TestOneLineOfTextIsAQuarterOfAFrame also has a line of 18 letters, which
// fills the panel from edge to edge.
func TestOneLineOfTextIsAQuarterOfAFrame(t *testing.T) {
	const whole = 8*(4+1+1+128) + 2*8 // bytes of a frame with addresses, and the bits of start and stop
	p := plugIn(t, "ssd1306", Config{})
	canvas := display.NewCanvas(p.drawer, oledTraits())
	texts := []display.Screen{
		{Kind: display.Working, Title: "Asking Amazon", Lines: []string{"for the tokens now"}},
		{Kind: display.Working, Title: "Asking Amazon", Lines: []string{"at 09:41 of 23 May"}},
	}
	for _, change := range [][2]display.Screen{{pair("BEYHYS"), pair("CDXK2W")}, {texts[0], texts[1]}} {
		if _, err := canvas.Draw(change[0]); err != nil {
			t.Fatal(err)
		}
		before := p.Picture()
		p.bus.Traffic()
		if _, err := canvas.Draw(change[1]); err != nil {
			t.Fatal(err)
		}
		got := p.bus.Traffic()
		t.Logf("%q: %+v, %d pixels changed", change[1].Title, got, displaytest.Differing(before, p.Picture()))
		if got.Bits > whole*9/4 || got.Bytes == 0 {
			t.Errorf("%q took %d bits (%d bytes), a whole frame takes %d", change[1].Title, got.Bits, got.Bytes, whole*9)
		}
	}
}

func TestTwoSmallChangesFarApartAreSentAlone(t *testing.T) {
	p := plugIn(t, "ssd1306", Config{})
	picture := image.NewGray(p.drawer.Bounds())
	p.draw(t, picture)
	p.bus.Traffic()
	picture.Pix[0], picture.Pix[127] = 0xff, 0xff
	p.draw(t, picture)
	if got := p.bus.Traffic(); got.Bytes > 2+2*(4+2) || displaytest.Differing(p.Picture(), picture) != 0 {
		t.Errorf("%+v for two pixels at the ends of a page, want each sent for itself", got)
	}
}

func TestHaltLeavesThePanelDarkAndTheBusClosed(t *testing.T) {
	p := plugIn(t, "ssd1306", Config{})
	p.draw(t, displaytest.Noise(p.drawer.Bounds()))
	if err := p.drawer.Halt(); err != nil || p.On() || !p.bus.Closed() {
		t.Errorf("Halt: %v; on %v, bus closed %v", err, p.On(), p.bus.Closed())
	}
}

func TestHaltSaysNothingNewOfAPanelThatIsGone(t *testing.T) {
	p := plugIn(t, "ssd1306", Config{})
	p.bus.Unplug(0x3c)
	if err := p.drawer.Draw(p.drawer.Bounds(), displaytest.Noise(p.drawer.Bounds()), image.Point{}); err == nil {
		t.Fatal("drawing on a panel that is gone is no error")
	}
	if err := p.drawer.Halt(); err != nil || !p.bus.Closed() {
		t.Errorf("Halt: %v, which was said before; bus closed %v", err, p.bus.Closed())
	}
}
