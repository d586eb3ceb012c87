package displaytest

import (
	"image"
	"image/draw"
	"math/rand/v2"
)

// Sheet is a periph.Drawer that keeps its picture.
type Sheet struct {
	*image.Gray
	Draws int // so far
}

// NewSheet is a black one of so many pixels.
func NewSheet(width, height int) *Sheet {
	return &Sheet{Gray: image.NewGray(image.Rect(0, 0, width, height))}
}

func (s *Sheet) String() string { return "sheet" }

// Halt implements periph.Drawer.
func (s *Sheet) Halt() error { return nil }

// Draw implements periph.Drawer.
func (s *Sheet) Draw(dst image.Rectangle, src image.Image, at image.Point) error {
	s.Draws++
	draw.Draw(s.Gray, dst, src, at, draw.Src)
	return nil
}

// Noise is a picture in which every pixel counts.
//
//go:norace
func Noise(bounds image.Rectangle) *image.Gray {
	random := rand.New(rand.NewPCG(1, 2))
	picture := image.NewGray(bounds)
	for i := range picture.Pix {
		picture.Pix[i] = byte(random.IntN(2)) * 0xff
	}
	return picture
}

// Differing is how many pixels are not the same; all, where not even the sizes
// are.
//
//go:norace
func Differing(a, b *image.Gray) int {
	if a.Rect != b.Rect {
		return len(a.Pix)
	}
	n := 0
	for i := range a.Pix {
		if a.Pix[i] != b.Pix[i] {
			n++
		}
	}
	return n
}
