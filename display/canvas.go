package display

import (
	"fmt"
	"image"

	periph "periph.io/x/conn/v3/display"
)

// Canvas shows screens on anything that takes an image: the QR code dark on
// light, at a whole number of pixels per module.
type Canvas struct {
	drawer periph.Drawer
	traits Traits

	drawn bool // last is what is to be seen
	last  Screen
	size  image.Point // of what it is to be seen on
	shows string
}

// NewCanvas shows screens on drawer, all of it.
func NewCanvas(drawer periph.Drawer, traits Traits) *Canvas {
	return &Canvas{drawer: drawer, traits: traits}
}

// Draw paints s, unless it is what is to be seen already: e-paper takes seconds
// and flickers for each picture.
func (c *Canvas) Draw(s Screen) (string, error) {
	if c.traits.Technology == EPaper {
		s.Left, s.Brief.Left = "", ""
	}
	bounds := c.drawer.Bounds()
	if c.drawn && bounds.Size() == c.size && s.Equal(c.last) {
		return c.shows, nil
	}
	picture, shows := paint(surface{bounds.Dx(), bounds.Dy(), c.traits}, s)
	c.drawn = false // a transfer cut short leaves half a picture
	if err := c.drawer.Draw(bounds, picture, image.Point{}); err != nil {
		return "", fmt.Errorf("drawing on %s: %w", c.drawer, err)
	}
	c.drawn, c.last, c.size, c.shows = true, s, bounds.Size(), shows
	return shows, nil
}

// Keep restores the picture, on a drawer that is a Keeper.
func (c *Canvas) Keep() error {
	k, ok := c.drawer.(Keeper)
	if !ok || !c.drawn {
		return nil
	}
	if err := k.Keep(); err != nil {
		c.drawn = false
		return fmt.Errorf("keeping the picture on %s: %w", c.drawer, err)
	}
	return nil
}

// Close leaves an empty picture: e-paper would show the code for years.
func (c *Canvas) Close() error {
	_, err := c.Draw(Screen{})
	if haltErr := c.drawer.Halt(); err == nil && haltErr != nil {
		err = fmt.Errorf("switching off %s: %w", c.drawer, haltErr)
	}
	return err
}

// Values of the pixels of a picture: there are no others.
const (
	dark  = 0
	light = 0xff
)

func paint(p surface, s Screen) (picture *image.Gray, shows string) {
	s = s.cleaned(true)
	picture = image.NewGray(image.Rect(0, 0, p.width, p.height))
	if s.Kind == Blank {
		if p.traits.Technology == EPaper {
			fill(picture, picture.Rect, light)
		}
		return picture, "nothing"
	}
	fill(picture, picture.Rect, light)
	codes, reason := encodeAll(s.Payloads)
	at, short, ok := p.place(s, codes)
	if ok {
		at.draw(picture)
		p.paintText(picture, at.text, at.blocks(s))
		shows = at.code.String()
		if short != "" {
			shows += " (" + short + ")"
		}
	} else {
		if short != "" {
			reason = short
		}
		p.paintText(picture, picture.Rect, p.textOnly(s, reason))
		shows = textShows(s, p.withCure(s, reason))
	}
	if s.Frame {
		frame(picture)
	}
	if p.traits.Technology == OLED {
		invert(picture, at.square)
	}
	return picture, shows
}

// blocks is the text beside or below the code. An address that takes more than
// 3 rows would only be in the way.
func (at placing) blocks(s Screen) []block {
	return shortAddress(textOf(s, true, ""), 3*at.text.Dx()/letter)
}

// textOnly is the text where there is no code.
func (p surface) textOnly(s Screen, reason string) []block {
	said := ""
	if reason != "" {
		said = "No QR code here: " + p.withCure(s, reason) + "."
	}
	if s.Elsewhere != "" && len(s.Address) > 2*p.columns(image.Rect(0, 0, p.width, p.height), 1) {
		return elsewhere(s, said) // nobody types that from a panel
	}
	return textOf(s, false, said)
}

// withCure is the reason with what would make a code fit.
func (p surface) withCure(s Screen, reason string) string {
	if reason == "" || s.SmallerCode == "" {
		return reason
	}
	return reason + ": " + s.SmallerCode
}

func (at placing) draw(picture *image.Gray) {
	corner := at.square.Min.Add(at.square.Size().Sub(image.Pt(1, 1).Mul(at.code.size() * at.scale)).Div(2))
	for y, row := range at.code.modules() {
		for x := 0; x < len(row); x++ {
			from := x
			for x < len(row) && row[x] {
				x++
			}
			run := image.Rect(from, y, x, y+1)
			fill(picture, image.Rectangle{run.Min.Mul(at.scale), run.Max.Mul(at.scale)}.Add(corner), dark)
		}
	}
}

// frame draws the outermost pixels, to show that they can be seen.
func frame(picture *image.Gray) {
	r := picture.Rect
	for _, side := range []image.Rectangle{
		{r.Min, image.Pt(r.Max.X, r.Min.Y+1)},
		{image.Pt(r.Min.X, r.Max.Y-1), r.Max},
		{r.Min, image.Pt(r.Min.X+1, r.Max.Y)},
		{image.Pt(r.Max.X-1, r.Min.Y), r.Max},
	} {
		fill(picture, side, dark)
	}
}

func fill(picture *image.Gray, area image.Rectangle, value byte) {
	area = area.Intersect(picture.Rect)
	if area.Empty() {
		return
	}
	first := picture.Pix[picture.PixOffset(area.Min.X, area.Min.Y):][:area.Dx()]
	for x := range first {
		first[x] = value
	}
	for y := area.Min.Y + 1; y < area.Max.Y; y++ {
		copy(picture.Pix[picture.PixOffset(area.Min.X, y):], first)
	}
}

// invert turns light and dark outside of square.
func invert(picture *image.Gray, square image.Rectangle) {
	for y := range picture.Rect.Dy() {
		row := picture.Pix[y*picture.Stride:][:picture.Rect.Dx()]
		for x := range row {
			if !(image.Point{x, y}).In(square) {
				row[x] ^= 0xff
			}
		}
	}
}
