// Package display shows a Screen: on a terminal, in a PNG file, on anything
// that takes an image. It decides what fits, draws QR codes that phones can
// read, and survives displays that hang.
//
// It knows nothing of what the Screen is about. Whoever makes one decides on
// every word; this package decides on cells and pixels. A QR code is always
// dark on light with a lit quiet zone, since Android's reader takes no other,
// is scaled by whole numbers only, and is never wrapped or clipped: where none
// fits, there is text, with the reason and what would make one fit.
package display

import (
	"reflect"
	"slices"
)

// Kind is what a Screen is about, for displays that treat kinds differently.
type Kind int

// Kinds of screens.
const (
	Blank   Kind = iota // nothing to show
	Offer               // something for a person to scan or to open
	Working             // under way, nothing to do
	Linked              // done
	Problem             // something is wrong and there is nothing to scan
)

// Screen is what a display should show, whatever the display. Empty fields are
// left out. Control characters in it do no harm: no display prints them.
type Screen struct {
	Kind     Kind
	Title    string    // what this is, a few words
	Problem  string    // what is wrong and what to do about it
	Payloads []Payload // for a QR code; the first that fits is drawn

	Scan    string // what to do, said where a QR code is drawn
	Open    string // what to do, said where none is
	Address string // what to open, as people type or copy it
	Enter   string // says what Code is for
	Code    string // short, for typing: shown distinctly

	Left string // for how long Code is good; may change every minute, and slow displays leave it out

	Lines []string // more to know, the most important first

	Frame bool // on panels: the outermost pixels are drawn, to show that none is cut off

	Brief Brief // for displays with little room

	SmallerCode string // what would give a smaller QR code; said where none fits
	Elsewhere   string // where to find Address; said where there is no room even for that
}

// Brief is the same in fewer letters, for where the whole words do not fit: 18
// letters in each of 2 rows on the smallest panel. An empty field has no shorter
// form.
type Brief struct{ Title, Problem, Scan, Open, Left, Elsewhere string }

// Payload is a text for a QR code. Its name is how a reason calls it, as in
// "authorize URL needs 81x43 cells".
type Payload struct{ Name, Text string }

// Equal reports whether two screens look the same, so that an unchanged one is
// not drawn again.
func (s Screen) Equal(t Screen) bool {
	if !slices.Equal(s.Payloads, t.Payloads) || !slices.Equal(s.Lines, t.Lines) {
		return false
	}
	s.Payloads, s.Lines = t.Payloads, t.Lines // nil looks like empty
	return reflect.DeepEqual(s, t)
}

// Display is somewhere to show a Screen. Its methods may take as long as the
// hardware pleases, for ever with a loose wire: call them through a Painter.
type Display interface {
	// Draw shows s and says what can be seen now, as in "QR of the code-pair
	// URL, version 3-M" or "text: authorize URL needs 81x43 cells, this terminal
	// has 80x24". Drawing what is already shown is how a display gets the chance
	// to notice that its window or font changed; it costs nothing otherwise.
	Draw(s Screen) (shows string, err error)

	// Close leaves the display without the Screen: a terminal usable, a picture
	// empty. Nothing may be drawn after it.
	Close() error
}
