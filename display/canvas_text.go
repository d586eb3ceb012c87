package display

import (
	"image"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/font/inconsolata"
	"golang.org/x/image/math/fixed"
)

// Sizes in pixels of basicfont.Face7x13 and inconsolata.Bold8x16, which every
// row of text is set in.
const (
	letter    = 7
	rowHeight = 13
	boldRow   = 16

	// closeRow is the distance of rows on small panels. Letters that reach below
	// the line still miss the capitals under them.
	closeRow = 11
)

// fewestLetters are what is needed to set text beside a code: "ABCDEF" and
// ".com/us/" fit.
const fewestLetters = 8

// small panels have no pixels to spare: with 128 columns "amazon.com/us/code"
// fits exactly.
func (p surface) small() bool { return min(p.width, p.height) < 100 }

// margin is the number of pixels before and above text.
func (p surface) margin() int {
	if p.small() {
		return 1
	}
	return 3
}

func (p surface) row() int {
	if p.small() {
		return closeRow
	}
	return rowHeight
}

// leastTextScale is the scale of text that can be read from where the code can.
func (p surface) leastTextScale() int { return max(1, min(p.width, p.height)/240) }

func (p surface) columns(area image.Rectangle, scale int) int {
	return (area.Dx()/scale - p.margin()) / letter
}

// rows is the number of rows in area, some of them of large letters.
func (p surface) rows(area image.Rectangle, scale int, blocks []block) int {
	spare := area.Dy()/scale - p.margin()
	for _, b := range blocks {
		if b.style == large {
			spare -= boldRow - p.row()
		}
	}
	return (spare - (rowHeight - p.row())) / p.row()
}

// arrange sets blocks in area at a scale, as the arrange of cells does.
func (p surface) arrange(area image.Rectangle, blocks []block, scale int) (lines []line, shown int) {
	for i, b := range blocks {
		if b.style == whole {
			blocks[i].style = broken // nobody copies from a panel
		}
	}
	return arrange(blocks, p.columns(area, scale), p.rows(area, scale, blocks))
}

// paintText sets blocks in area, as large as all of them fit, and leaves out
// the least important where they do not.
func (p surface) paintText(picture *image.Gray, area image.Rectangle, blocks []block) {
	least := p.leastTextScale()
	for scale := max(least, min(p.width, p.height)/120); scale >= 1; scale-- {
		lines, shown := p.arrange(area, blocks, scale)
		if shown == highest(blocks) || (scale <= least && shown >= must) {
			p.setLines(picture, area, lines, scale)
			return
		}
	}
	p.setLines(picture, area, clip(blocks, p.columns(area, 1), p.rows(area, 1, blocks)), 1)
}

func (p surface) setLines(picture *image.Gray, area image.Rectangle, lines []line, scale int) {
	sheet := image.NewGray(image.Rect(0, 0, area.Dx()/scale, area.Dy()/scale))
	fill(sheet, sheet.Rect, light)
	x, y := p.margin(), p.margin()
	for _, l := range lines {
		if l.style == large {
			write(sheet, inconsolata.Bold8x16, x, y+12, l.text)
			y += boldRow
			continue
		}
		write(sheet, basicfont.Face7x13, x, y+11, l.text)
		y += p.row()
	}
	for i, v := range sheet.Pix {
		if v < 0x80 {
			dot := image.Pt(i%sheet.Stride, i/sheet.Stride).Mul(scale).Add(area.Min)
			fill(picture, image.Rectangle{dot, dot.Add(image.Pt(scale, scale))}, dark)
		}
	}
}

func write(sheet *image.Gray, face font.Face, x, baseline int, text string) {
	d := font.Drawer{Dst: sheet, Src: image.Black, Face: face, Dot: fixed.P(x, baseline)}
	d.DrawString(text)
}
