package display

import (
	"fmt"
	"image"
	"image/draw"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/font/inconsolata"
	"golang.org/x/image/math/fixed"
	"periph.io/x/conn/v3/display"
)

// Canvas shows screens on anything that takes an image: black on white, the QR
// code at a whole number of pixels per module.
type Canvas struct {
	drawer display.Drawer

	drawn bool // last is what is to be seen
	last  Screen
	shows string
}

// NewCanvas shows screens on drawer, all of it.
func NewCanvas(drawer display.Drawer) *Canvas { return &Canvas{drawer: drawer} }

// Draw paints s, unless it is what is to be seen already: e-paper takes seconds
// and flickers for each picture.
func (c *Canvas) Draw(s Screen) (string, error) {
	if c.drawn && s.Equal(c.last) {
		return c.shows, nil
	}
	bounds := c.drawer.Bounds()
	picture, shows := paint(bounds.Dx(), bounds.Dy(), s)
	c.drawn = false // a transfer cut short leaves half a picture
	if err := c.drawer.Draw(bounds, picture, image.Point{}); err != nil {
		return "", fmt.Errorf("drawing on %s: %w", c.drawer, err)
	}
	c.drawn, c.last, c.shows = true, s, shows
	return shows, nil
}

// Close leaves an empty picture: e-paper would show the code for years.
func (c *Canvas) Close() error {
	_, err := c.Draw(Screen{})
	if haltErr := c.drawer.Halt(); err == nil && haltErr != nil {
		err = fmt.Errorf("switching off %s: %w", c.drawer, haltErr)
	}
	return err
}

// Sizes in pixels of basicfont.Face7x13 and inconsolata.Bold8x16, which every
// row of text is set in.
const (
	letter    = 7
	rowHeight = 13
	boldRow   = 16
)

// margin is the number of pixels round text. Small panels have none to spare:
// with 128 columns "amazon.com/us/code" fits exactly.
func margin(picture *image.Gray) int {
	if b := picture.Bounds(); min(b.Dx(), b.Dy()) < 100 {
		return 1
	}
	return 3
}

// fewest is the number of letters and rows below which there is no use in
// setting text beside or below a code.
const (
	fewestLetters = 8
	fewestRows    = 1
)

// placing is where the QR code and the text go.
type placing struct {
	code   qrCode
	scale  int // pixels per module
	square int // pixels along the code with its quiet zone
	text   image.Rectangle
}

func paint(width, height int, s Screen) (*image.Gray, string) {
	s = s.cleaned(true)
	picture := image.NewGray(image.Rect(0, 0, width, height))
	draw.Draw(picture, picture.Bounds(), image.White, image.Point{}, draw.Src)
	codes, reason := encodeAll(s.Payloads)
	for _, least := range []int{2, 1} { // a shorter payload is better than modules of one pixel
		for _, q := range codes {
			if p, ok := place(q, width, height, least); ok {
				p.draw(picture)
				paintText(picture, p.text, shortAddress(textOf(s, true, ""), 3*lettersIn(picture, p.text)))
				return picture, q.String()
			}
		}
	}
	if len(codes) > 0 {
		n := codes[0].size() + 2*fullQuiet
		reason = fmt.Sprintf("%s needs %dx%d pixels, this display has %dx%d", codes[0].name, n, n, width, height)
	}
	said := ""
	if reason != "" {
		said = "No QR code here: " + reason
		if s.SmallerCode != "" {
			said += "; " + s.SmallerCode
		}
		said += "."
	}
	blocks := textOf(s, false, said)
	if s.Elsewhere != "" && len(s.Address) > 2*lettersIn(picture, picture.Bounds()) {
		blocks = elsewhere(s, said) // nobody types that from a panel
	}
	paintText(picture, picture.Bounds(), blocks)
	return picture, textShows(s, reason)
}

// place puts a code with at least so many pixels per module where it becomes
// largest: left of the text or above it.
func place(q qrCode, width, height, least int) (placing, bool) {
	var best placing
	beside := min(height, width-fewestLetters*letter-2)
	above := min(width, height-fewestRows*boldRow-2)
	for _, try := range []struct {
		room  int
		below bool
	}{{beside, false}, {above, true}} {
		scale, square := fitSquare(q.size(), try.room)
		if scale < least || scale <= best.scale {
			continue
		}
		best = placing{code: q, scale: scale, square: square, text: image.Rect(square, 0, width, height)}
		if try.below {
			best.text = image.Rect(0, square, width, height)
		}
	}
	return best, best.scale > 0
}

// fitSquare finds the pixels per module and the pixels along a code of n
// modules with its quiet zone in so much room. A full quiet zone is wanted, but
// one of 1.5 modules is read nearly as well as long as the modules have 2
// pixels; with one pixel each they need all the help there is.
func fitSquare(n, room int) (scale, square int) {
	if scale := room / (n + 2*fullQuiet); scale >= 2 {
		return scale, scale * (n + 2*fullQuiet)
	}
	if room >= 2*n+6 {
		return 2, min(room, 2*(n+2*fullQuiet))
	}
	if room >= n+2*fullQuiet {
		return 1, n + 2*fullQuiet
	}
	return 0, 0
}

func (p placing) draw(picture *image.Gray) {
	offset := (p.square - p.code.size()*p.scale) / 2
	for y, row := range p.code.modules() {
		for x, dark := range row {
			if dark {
				module := image.Rect(x, y, x+1, y+1)
				module = image.Rectangle{module.Min.Mul(p.scale), module.Max.Mul(p.scale)}.Add(image.Pt(offset, offset))
				draw.Draw(picture, module, image.Black, image.Point{}, draw.Src)
			}
		}
	}
}

// lettersIn is the number of letters in a row across area.
func lettersIn(picture *image.Gray, area image.Rectangle) int {
	return (area.Dx() - 2*margin(picture)) / letter
}

// paintText sets blocks in area, as large as all of them fit, and leaves out
// the least important where they do not.
func paintText(picture *image.Gray, area image.Rectangle, blocks []block) {
	edge, tall := margin(picture), 0
	for i, b := range blocks {
		switch b.style {
		case whole:
			blocks[i].style = broken
		case large:
			tall = boldRow - rowHeight
		case prose, broken:
		}
	}
	for scale := max(1, min(picture.Bounds().Dx(), picture.Bounds().Dy())/120); scale >= 1; scale-- {
		columns := (area.Dx()/scale - 2*edge) / letter
		rows := (area.Dy()/scale - 2*edge - tall) / rowHeight
		lines, all, ok := arrange(blocks, columns, rows)
		if scale > 1 && !all {
			continue
		}
		if !ok {
			lines = clip(blocks, columns, rows)
		}
		setLines(picture, area, lines, scale)
		return
	}
}

func setLines(picture *image.Gray, area image.Rectangle, lines []line, scale int) {
	sheet := image.NewGray(image.Rect(0, 0, area.Dx()/scale, area.Dy()/scale))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	x, y := margin(picture), margin(picture)
	for _, l := range lines {
		if l.style == large {
			write(sheet, inconsolata.Bold8x16, x, y+12, l.text)
			y += boldRow
			continue
		}
		write(sheet, basicfont.Face7x13, x, y+11, l.text)
		y += rowHeight
	}
	for i, v := range sheet.Pix {
		if v < 0x80 {
			dot := image.Pt(i%sheet.Stride, i/sheet.Stride).Mul(scale).Add(area.Min)
			draw.Draw(picture, image.Rectangle{dot, dot.Add(image.Pt(scale, scale))}, image.Black, image.Point{}, draw.Src)
		}
	}
}

func write(sheet *image.Gray, face font.Face, x, baseline int, text string) {
	d := font.Drawer{Dst: sheet, Src: image.Black, Face: face, Dot: fixed.P(x, baseline)}
	d.DrawString(text)
}
