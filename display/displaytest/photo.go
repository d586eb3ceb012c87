package displaytest

import (
	"image"
	"slices"
)

// Photo is what a phone's camera makes of a lit panel: 8 of its pixels for each
// of the panel's, the gaps between those, the black bezel round them, and a lens
// as much out of focus as one is that is held near, 0.35 pixels of the panel.
// Of a sharper picture most decoders read the grid and not the code.
//
//go:norace
func Photo(panel *image.Gray) *image.Gray {
	const pitch, gap, bezel = 8, 1, 64
	b := panel.Bounds()
	photo := image.NewGray(image.Rect(0, 0, b.Dx()*pitch+2*bezel, b.Dy()*pitch+2*bezel))
	for y := range b.Dy() {
		for x := range b.Dx() {
			if panel.GrayAt(b.Min.X+x, b.Min.Y+y).Y >= 0x80 {
				at := image.Pt(bezel+x*pitch, bezel+y*pitch)
				fill(photo, image.Rect(0, 0, pitch-gap, pitch-gap).Add(at), Light().Paper)
			}
		}
	}
	for range 12 { // box filters of 3 pixels, which together are nearly a Gaussian one of sigma 2.8
		blur(photo.Pix, photo.Rect.Dy(), photo.Stride, photo.Rect.Dx(), 1)
		blur(photo.Pix, photo.Rect.Dx(), 1, photo.Rect.Dy(), photo.Stride)
	}
	return photo
}

// blur averages each pixel with its neighbours along lines of n pixels that
// are step apart.
//
//go:norace
func blur(pix []byte, lines, lineStep, n, step int) {
	before := make([]byte, n)
	for line := range lines {
		at := pix[line*lineStep:]
		for i := range n {
			before[i] = at[i*step]
		}
		for i := 1; i < n-1; i++ {
			at[i*step] = byte((int(before[i-1]) + int(before[i]) + int(before[i+1])) / 3)
		}
	}
}

// Lit reports whether any pixel is.
func Lit(picture *image.Gray) bool { return slices.Max(picture.Pix) > 0 }
