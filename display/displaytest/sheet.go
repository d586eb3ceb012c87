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
	if grey, ok := src.(*image.Gray); ok && dst == s.Rect && at == grey.Rect.Min && grey.Rect.Size() == s.Rect.Size() {
		copyGray(s.Gray, grey)
		return nil
	}
	draw.Draw(s.Gray, dst, src, at, draw.Src)
	return nil
}

// copyGray makes to what from is, of the same size: image/draw asks for each pixel
// of it by itself.
func copyGray(to, from *image.Gray) {
	width := to.Rect.Dx()
	for y := range to.Rect.Dy() {
		copy(to.Pix[y*to.Stride:][:width], from.Pix[y*from.Stride:][:width])
	}
}

// Noise is a picture in which every pixel counts.
//
//go:norace
func Noise(bounds image.Rectangle) *image.Gray {
	picture := image.NewGray(bounds)
	blackOrWhite(rand.New(rand.NewPCG(1, 2)), picture.Pix)
	return picture
}

// blackOrWhite makes pixels one or the other at random, 64 of them with each
// number that is drawn.
//
//go:norace
func blackOrWhite(random *rand.Rand, pixels []byte) {
	var bits uint64
	for i := range pixels {
		if i%64 == 0 {
			bits = random.Uint64()
		}
		pixels[i] = -byte(bits & 1)
		bits >>= 1
	}
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
