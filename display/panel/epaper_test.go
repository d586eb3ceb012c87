package panel

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	periph "periph.io/x/conn/v3/display"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	v2 "periph.io/x/devices/v3/waveshare2in13v2"
	v3 "periph.io/x/devices/v3/waveshare2in13v3"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// epaperModels are the driver names with the panel that each is for.
func epaperModels() map[string]displaytest.EPaperModel {
	return map[string]displaytest.EPaperModel{
		"waveshare2in13v2": displaytest.SSD1675B,
		"waveshare2in13v3": displaytest.SSD1680,
		"waveshare2in13v4": displaytest.SSD1680Z,
	}
}

// epaperBench is a simulated panel with our driver on it.
type epaperBench struct {
	*displaytest.EPaper
	t       *testing.T
	driver  *epaper
	turned  periph.Drawer // driver, turned
	degrees int
	closed  bool
}

// simulatedBusy reads BUSY, unless it is told to fail.
type simulatedBusy struct {
	*displaytest.EPaperPin
	failure error
}

func (b *simulatedBusy) Level() (gpio.Level, error) { return b.Read(), b.failure }
func (b *simulatedBusy) String() string             { return "GPIO24" }

func newEPaperBench(t *testing.T, driver string, degrees int) *epaperBench {
	t.Helper()
	b := &epaperBench{EPaper: displaytest.NewEPaper(epaperModels()[driver]), t: t, degrees: degrees}
	wire, err := b.Connect(4*physic.MegaHertz, spi.Mode0, 8)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := waveshare2in13(driver)
	b.driver = newEPaper(m, epaperWires{
		conn: wire, dc: b.DC, reset: b.Reset, busy: &simulatedBusy{EPaperPin: b.Busy},
		close: func() error { b.closed = true; return nil },
	})
	if b.turned, err = rotate(b.driver, degrees); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *epaperBench) draw(to image.Rectangle, src image.Image) {
	b.t.Helper()
	if err := b.turned.Draw(to, src, image.Point{}); err != nil {
		b.t.Fatal(err)
	}
}

// wantGlass compares what is on the glass with a picture as it was drawn.
//
//go:norace
func (b *epaperBench) wantGlass(want *image.Gray, reason string) {
	b.t.Helper()
	glass, wrong := b.Glass(), 0
	for y := range displaytest.EPaperHeight {
		for x := range displaytest.EPaperWidth {
			at := [...]image.Point{{249 - y, x}, {x, y}, {y, 121 - x}, {121 - x, 249 - y}}[b.degrees/90]
			if glass.GrayAt(x, y) != want.GrayAt(at.X, at.Y) {
				wrong++
			}
		}
	}
	if wrong > 0 {
		b.t.Errorf("%d pixels of the glass are wrong: %s", wrong, reason)
	}
	if len(b.Faults()) > 0 {
		b.t.Errorf("against the datasheet: %q", b.Faults())
	}
}

// plain is a picture for the bench in one shade.
func (b *epaperBench) plain(shade image.Image) *image.Gray {
	g := image.NewGray(b.turned.Bounds())
	draw.Draw(g, g.Rect, shade, image.Point{}, draw.Src)
	return g
}

func TestEPaperShowsCodesThatPhonesReadAtEachTurn(t *testing.T) {
	for driver := range epaperModels() {
		turns := []int{0, 90, 180, 270}
		if driver != "waveshare2in13v4" {
			turns = turns[:2] // the turning itself is the same for all
		}
		for _, rotate := range turns {
			t.Run(fmt.Sprintf("%s turned by %d", driver, rotate), func(t *testing.T) {
				var glass *image.Gray
				synctest.Test(t, func(t *testing.T) {
					b := newEPaperBench(t, driver, rotate)
					want := displaytest.NewSheet(b.turned.Bounds().Dx(), b.turned.Bounds().Dy())
					traits := epaperTraits()
					for _, canvas := range []*display.Canvas{display.NewCanvas(want, traits), display.NewCanvas(b.turned, traits)} {
						if _, err := canvas.Draw(linkScreen()); err != nil {
							t.Fatal(err)
						}
					}
					b.wantGlass(want.Gray, "a code that is off by a pixel is no code")
					if b.Refreshes() != 1 {
						t.Errorf("%d refreshes for a picture; each takes 2 s and flickers", b.Refreshes())
					}
					if !b.Asleep() {
						t.Error("the panel stays under voltage, which damages it")
					}
					glass = b.Glass()
				})
				text := linkScreen().Payloads[0].Text
				if got, err := displaytest.DecodeQR(displaytest.PaperPhoto(glass)); err != nil || got != text {
					t.Errorf("a phone reads %q (%v), want %q", got, err, text)
				}
				if got := displaytest.ZbarimgOf(t, displaytest.PaperPhoto(glass)); got != text {
					t.Errorf("zbarimg reads %q, want %q", got, text)
				}
			})
		}
	}
}

func TestEPaperDrawsPartsAndKeepsTheRest(t *testing.T) {
	for driver := range epaperModels() {
		for _, rotate := range []int{0, 90, 180, 270} {
			t.Run(fmt.Sprintf("%s turned by %d", driver, rotate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := newEPaperBench(t, driver, rotate)
					want := b.plain(image.White)
					b.draw(want.Rect, image.White)
					for _, part := range []image.Rectangle{image.Rect(13, 7, 46, 30), image.Rect(90, 100, 400, 400)} {
						b.draw(part, image.Black)
						draw.Draw(want, part, image.Black, image.Point{}, draw.Src)
					}
					b.wantGlass(want, "a part must land where it belongs and leave the rest")
				})
			})
		}
	}
}

func TestEPaperSendsNothingForTheSamePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		b.draw(b.driver.Bounds(), image.White)
		before := b.Bytes()
		b.draw(b.driver.Bounds(), image.White)
		b.draw(image.Rect(5, 5, 9, 9), image.White)
		if sent := b.Bytes() - before; sent != 0 || b.Refreshes() != 1 {
			t.Errorf("%d bytes and %d refreshes for an unchanged picture, want none", sent, b.Refreshes()-1)
		}
		b.draw(image.Rect(5, 5, 6, 6), image.Black)
		if b.Refreshes() != 2 {
			t.Errorf("%d refreshes for one pixel, want one", b.Refreshes()-1)
		}
	})
}

func TestEPaperOverwritesWhatItShowedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		b.draw(b.driver.Bounds(), image.White)
		b.wantGlass(b.plain(image.White), "the code of the last run would be seen for years")
	})
}

func TestEPaperIsWhiteWhereNothingWasDrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		want := b.plain(image.White)
		part := image.Rect(100, 50, 120, 60)
		b.draw(part, image.Black)
		draw.Draw(want, part, image.Black, image.Point{}, draw.Src)
		b.wantGlass(want, "the rest of the picture has never been drawn")
	})
}

func TestEPaperIsRightAfterItLostItsPower(t *testing.T) {
	for driver := range epaperModels() {
		t.Run(driver, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEPaperBench(t, driver, 0)
				b.draw(b.driver.Bounds(), image.White)
				b.PowerCycle()
				time.Sleep(time.Hour)
				b.draw(image.Rect(20, 20, 40, 40), image.Black)
				want := b.plain(image.White)
				draw.Draw(want, image.Rect(20, 20, 40, 40), image.Black, image.Point{}, draw.Src)
				b.wantGlass(want, "nothing may depend on what the controller remembers")
			})
		})
	}
}

func TestEPaperWaveformsAreThoseOfTheVendor(t *testing.T) {
	if got := waveformV2(); !slices.Equal(got, v2.EPD2in13v2.FullUpdate[:70]) {
		t.Errorf("v2: % x", got)
	}
	if got := waveformV3(); !slices.Equal(got, v3.EPD2in13v3.FullUpdate[:153]) {
		t.Errorf("v3: % x", got)
	}
}

var errWire = errors.New("loose wire")

// wantTrouble checks that an error came in time and says what to do.
func wantTrouble(t *testing.T, err error, took, limit time.Duration, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error: the status would say that the picture is seen")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if took > limit {
		t.Errorf("it took %v, want at most %v: the painter would have given it up, and a thread with it", took, limit)
	}
}
