package panel

import (
	"fmt"
	"image"
	"image/color"

	periph "periph.io/x/conn/v3/display"

	"lwa-agent/display"
)

// rotate has pictures turned clockwise by so many degrees before d draws them,
// for a panel that is mounted turned the other way.
func rotate(d periph.Drawer, degrees int) (periph.Drawer, error) {
	switch degrees {
	case 0:
		return d, nil
	case 90, 180, 270:
		return turned{Drawer: d, degrees: degrees}, nil
	}
	return nil, fmt.Errorf("rotate = %d cannot be; write 0, 90, 180 or 270 (degrees clockwise)", degrees)
}

// turned is a periph.Drawer before which pictures are turned.
type turned struct {
	periph.Drawer
	degrees int
}

// Bounds implements periph.Drawer: those of the picture before it is turned.
func (t turned) Bounds() image.Rectangle {
	size := t.Drawer.Bounds().Size()
	if t.degrees != 180 {
		size.X, size.Y = size.Y, size.X
	}
	return image.Rectangle{Max: size}
}

// Draw implements periph.Drawer, in shades of grey.
func (t turned) Draw(dst image.Rectangle, src image.Image, at image.Point) error {
	clipped, at := clip(t, dst, src, at)
	if clipped.Empty() {
		return nil
	}
	a, b := t.place(clipped.Min), t.place(clipped.Max.Sub(image.Pt(1, 1)))
	area := image.Rectangle{a, b}.Canon() // b is a pixel of it, too
	area.Max = area.Max.Add(image.Pt(1, 1))
	picture := image.NewGray(area)
	for y := range clipped.Dy() {
		first, second := t.place(clipped.Min.Add(image.Pt(0, y))), t.place(clipped.Min.Add(image.Pt(1, y)))
		to := picture.PixOffset(first.X, first.Y)
		step := picture.PixOffset(second.X, second.Y) - to
		for x := range clipped.Dx() {
			picture.Pix[to+x*step] = brightness(src, at.X+x, at.Y+y)
		}
	}
	return t.Drawer.Draw(area, picture, area.Min)
}

// Keep implements display.Keeper for a driver that does.
func (t turned) Keep() error {
	if k, ok := t.Drawer.(display.Keeper); ok {
		return k.Keep()
	}
	return nil
}

// place is where a pixel of the picture is on the panel.
func (t turned) place(p image.Point) image.Point {
	b := t.Drawer.Bounds()
	switch t.degrees {
	case 90:
		p = image.Pt(b.Dx()-1-p.Y, p.X)
	case 180:
		p = image.Pt(b.Dx()-1-p.X, b.Dy()-1-p.Y)
	case 270:
		p = image.Pt(p.Y, b.Dy()-1-p.X)
	}
	return p.Add(b.Min)
}

// clip is the part of dst that is on d and for which there is a pixel of src,
// and where that part begins in src.
func clip(d interface{ Bounds() image.Rectangle }, dst image.Rectangle, src image.Image, at image.Point) (image.Rectangle, image.Point) {
	clipped := dst.Intersect(d.Bounds()).Intersect(src.Bounds().Add(dst.Min.Sub(at)))
	return clipped, at.Add(clipped.Min.Sub(dst.Min))
}

// brightness of a pixel, 0 to 255.
func brightness(src image.Image, x, y int) byte {
	if grey, ok := src.(*image.Gray); ok {
		return grey.GrayAt(x, y).Y
	}
	return color.GrayModel.Convert(src.At(x, y)).(color.Gray).Y
}
