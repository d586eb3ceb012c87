package display

import (
	"fmt"
	"strings"
)

// Colours are the 8 that each terminal has: 30 and 37 on 40 and 47 are equal
// pairs everywhere, while a bright background is grey on some consoles and
// stripes the code. They are set explicitly, whatever the theme and NO_COLOR.
const (
	reset   = "\x1b[0m"
	onLight = "\x1b[30;47m"
)

// codeSize is the number of cells for a code with its quiet zone.
func (c Cells) codeSize(q qrCode, quiet int) (columns, rows int) {
	n := q.size() + 2*quiet
	if c.NoHalfBlock != "" {
		return 2 * n, n
	}
	return n, (n + 1) / 2
}

// codeRows draws q. Each row ends in a reset, since a terminal may paint the
// rest of a scrolled line in the current background.
func (c Cells) codeRows(q qrCode, quiet int) []string {
	if c.NoHalfBlock != "" {
		return blankRows(q, quiet)
	}
	return halfBlockRows(q, quiet)
}

// blankRows has two blanks with a background for each module.
func blankRows(q qrCode, quiet int) []string {
	var rows []string
	m, end := q.modules(), q.size()+quiet
	for y := -quiet; y < end; y++ {
		var b strings.Builder
		bg := 0
		for x := -quiet; x < end; x++ {
			if want := background(m.dark(x, y)); want != bg {
				bg = want
				fmt.Fprintf(&b, "\x1b[%dm", bg)
			}
			b.WriteString("  ")
		}
		rows = append(rows, b.String()+reset)
	}
	return rows
}

// halfBlockRows has a cell for two modules: of one colour a blank with a
// background, mixed U+2580 in the upper module's colour on the lower one's. No
// other glyph is needed; full blocks show gaps between lines in common fonts.
func halfBlockRows(q qrCode, quiet int) []string {
	var rows []string
	m, end := q.modules(), q.size()+quiet
	for y := -quiet; y < end; y += 2 {
		var b strings.Builder
		fg, bg := 0, 0
		for x := -quiet; x < end; x++ {
			wantFg, wantBg := background(m.dark(x, y))-10, background(m.dark(x, y+1))
			if y+1 == end {
				wantBg = 49 // an odd number of modules: below is not ours
			}
			glyph := "▀"
			if wantFg+10 == wantBg {
				glyph, wantFg = " ", fg // no ink, so any ink will do
			}
			switch {
			case fg != wantFg && bg != wantBg:
				fmt.Fprintf(&b, "\x1b[%d;%dm", wantFg, wantBg)
			case fg != wantFg:
				fmt.Fprintf(&b, "\x1b[%dm", wantFg)
			case bg != wantBg:
				fmt.Fprintf(&b, "\x1b[%dm", wantBg)
			}
			fg, bg = wantFg, wantBg
			b.WriteString(glyph)
		}
		rows = append(rows, b.String()+reset)
	}
	return rows
}

func background(dark bool) int {
	if dark {
		return 40
	}
	return 47
}
