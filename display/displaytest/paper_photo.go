package displaytest

import (
	"image"
	"image/color"
)

// PaperPhoto is what a camera sees of a panel without backlight: a few pixels for
// each of the panel's, and its grey frame.
//
//go:norace
func PaperPhoto(picture *image.Gray) *image.Gray {
	const scale, frame = 4, 60
	b := picture.Bounds()
	out := image.NewGray(image.Rect(0, 0, b.Dx()*scale+2*frame, b.Dy()*scale+2*frame))
	fill(out, out.Rect, color.Gray{0xa0})
	for y := range b.Dy() * scale {
		row := out.Pix[out.PixOffset(frame, y+frame):]
		for x := range b.Dx() * scale {
			row[x] = picture.Pix[picture.PixOffset(b.Min.X+x/scale, b.Min.Y+y/scale)]
		}
	}
	return out
}
