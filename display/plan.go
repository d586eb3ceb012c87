package display

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"
)

// Technology is how a panel makes its pixels.
type Technology int

// Technologies. What is lit from behind, or only a picture in a file, is an LCD.
const (
	LCD    Technology = iota
	OLED              // light on dark, since lit pixels age; its bezel is as dark as what is not lit
	EPaper            // keeps its picture without power, and flickers for seconds to change it
)

// Traits are what has to be known of a panel besides its pixels.
type Traits struct {
	Technology Technology
	Pitch      float64 // mm from pixel to pixel; 0 where it is not known
}

// What phones read: with less than 3 camera pixels to a module they give up,
// which is 0.34 mm at a distance of 16 cm and 0.25 mm at 12 cm, where many can
// no longer focus. A module of a single pixel is lost between its neighbours.
const (
	leastPixels = 2
	leastModule = 0.25 // mm
	fairModule  = 0.3
	goodModule  = 0.5

	// usualPitch is taken for a panel that does not know its own: that of 3.5
	// inch panels with 480x320 pixels. Monitors have twice that.
	usualPitch = 0.15
)

// surface is what the planner knows of a panel.
type surface struct {
	width, height int
	traits        Traits
}

// placing is where the QR code and the text go.
type placing struct {
	code   qrCode
	scale  int             // pixels per module
	quiet  int             // half modules that are lit round the code at least
	square image.Rectangle // the code with its quiet zone
	text   image.Rectangle
}

// place puts the first code that phones can read there, with the text of s
// beside or below it. Without one, reason says what keeps the first from it;
// with another than the first, too.
func (p surface) place(s Screen, codes []qrCode) (best placing, reason string, ok bool) {
	for i, q := range codes {
		if i == 1 {
			reason = p.shortage(codes[0])
		}
		if best, ok = p.placeOne(s, q); ok {
			return best, reason, true
		}
	}
	if len(codes) > 0 {
		reason = p.shortage(codes[0])
	}
	return placing{}, reason, false
}

// placeOne tries each side for the text with each quiet zone.
func (p surface) placeOne(s Screen, q qrCode) (best placing, ok bool) {
	var tried []placing
	for _, below := range []bool{false, true} {
		for _, quiet := range p.quietZones() {
			scale := p.room(below) / (q.size() + quiet)
			if scale >= p.leastScale() {
				tried = append(tried, p.placing(q, scale, quiet, below))
			}
		}
	}
	if len(tried) == 0 {
		return placing{}, false
	}
	return slices.MaxFunc(tried, func(a, b placing) int { return slices.Compare(p.merits(s, a), p.merits(s, b)) }), true
}

// merits are what makes a placing good, the most important first.
func (p surface) merits(s Screen, try placing) []int {
	module := float64(try.scale) * p.pitch()
	blocks := try.blocks(s)
	_, shown := p.arrange(try.text, blocks, p.leastTextScale())
	return []int{
		count(shown >= must),
		count(module >= fairModule),
		count(shown >= min(todo, highest(blocks))),
		count(module >= goodModule),
		try.quiet,
		count(shown == highest(blocks)),
		try.scale,
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// room is the number of pixels along a square that leaves room for text: below,
// for the row of a code for typing.
func (p surface) room(below bool) int {
	if below {
		return min(p.width, p.height-p.margin()-boldRow-(rowHeight-p.row()))
	}
	return min(p.height, p.width-fewestLetters*letter-p.margin())
}

// placing lights the whole quiet zone where there is room for that, and what
// there is otherwise.
func (p surface) placing(q qrCode, scale, quiet int, below bool) placing {
	side := min(p.room(below), scale*(q.size()+2*fullQuiet))
	at := placing{code: q, scale: scale, quiet: quiet}
	if below {
		at.square = image.Rect(0, 0, side, side).Add(image.Pt((p.width-side)/2, 0))
		at.text = image.Rect(0, side, p.width, p.height)
		return at
	}
	at.square = image.Rect(0, 0, side, side).Add(image.Pt(0, (p.height-side)/2))
	at.text = image.Rect(side, 0, p.width, p.height)
	return at
}

// quietZones are in half modules: 4, 3 and 2 modules, tried in this order. On an
// OLED, 1.5 modules were read as well, and make the difference between a code
// and none on 128x64.
func (p surface) quietZones() []int {
	if p.traits.Technology == OLED {
		return []int{8, 6, 4, 3}
	}
	return []int{8, 6, 4}
}

func (p surface) pitch() float64 { return cmp.Or(p.traits.Pitch, usualPitch) }

// leastScale is the number of pixels per module below which no phone reads it.
func (p surface) leastScale() int {
	return max(leastPixels, int(math.Ceil(leastModule/p.pitch()-1e-9)))
}

// shortage says what the code q needs and what there is, both in modules
// without their quiet zone.
func (p surface) shortage(q qrCode) string {
	zones := p.quietZones()
	most := max(p.room(false), p.room(true))/p.leastScale() - zones[len(zones)-1]
	return fmt.Sprintf("%s needs %d modules, %dx%d shows %d", q.name, q.size(), p.width, p.height, max(most, 0))
}
