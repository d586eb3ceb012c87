package panel

import (
	"image"
	"image/draw"
	"math/rand/v2"
	"testing"

	"lwa-agent/display/displaytest"
)

func TestPartsLandWhereTheyShould(t *testing.T) {
	sheet := displaytest.Noise(image.Rect(-40, -40, 200, 200)) // parts begin anywhere, and hang over the edges
	for _, driver := range []string{"ssd1306", "sh1106"} {
		for _, degrees := range []int{0, 90, 180, 270} {
			p := plugIn(t, driver, Config{Rotate: degrees})
			want := image.NewGray(p.drawer.Bounds())
			p.draw(t, want)
			random := rand.New(rand.NewPCG(3, 4))
			for range 30 {
				at := image.Pt(random.IntN(128), random.IntN(128))
				part := image.Rect(0, 0, 1+random.IntN(40), 1+random.IntN(40)).Add(image.Pt(random.IntN(140)-10, random.IntN(140)-10))
				draw.Draw(want, part, sheet, at, draw.Src)
				if err := p.drawer.Draw(part, sheet, at); err != nil {
					t.Fatal(err)
				}
				if n := displaytest.Differing(turnedBack(p.Picture(), degrees), want); n != 0 {
					t.Fatalf("%s turned by %d: %d pixels are wrong after a part at %v", driver, degrees, n, part)
				}
			}
		}
	}
}

// turnedBack turns a picture anticlockwise, in quarters.
//
//go:norace
func turnedBack(picture *image.Gray, degrees int) *image.Gray {
	for ; degrees > 0; degrees -= 90 {
		b := picture.Bounds()
		out := image.NewGray(image.Rect(0, 0, b.Dy(), b.Dx()))
		for y := range b.Dy() {
			for x := range b.Dx() {
				out.SetGray(y, b.Dx()-1-x, picture.GrayAt(x, y))
			}
		}
		picture = out
	}
	return picture
}

func TestRotationIsClockwise(t *testing.T) {
	for degrees, want := range map[int]image.Point{0: {0, 0}, 90: {127, 0}, 180: {127, 63}, 270: {0, 63}} {
		p := plugIn(t, "ssd1306", Config{Rotate: degrees})
		picture := image.NewGray(p.drawer.Bounds())
		picture.Pix[0] = 0xff // its upper left corner
		p.draw(t, picture)
		if got := p.Picture().GrayAt(want.X, want.Y).Y; got != 0xff {
			t.Errorf("turned by %d degrees, the upper left corner is not at %v of the panel", degrees, want)
		}
	}
}
