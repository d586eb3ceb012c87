package display

import (
	"slices"
	"strings"
	"unicode"
)

// style is how a piece of text is set.
type style int

const (
	prose  style = iota // words, wrapped
	whole               // an address: on lines of its own, never broken by us, so that it can be copied
	broken              // an address where nothing can be copied, in pieces that are easy to type
	large               // a code for typing
)

// block is a piece of text with its weight. Where room is short, blocks of the
// highest rank are left out first; those of rank 0 must be seen.
type block struct {
	text  string
	style style
	rank  int
	brief string // the same in fewer letters, where room is short; "": there is none
}

// Ranks of blocks.
const (
	must    = iota
	address // where a QR code holds it as well
	left    // for how long
	problem
	heading
	todo
	enter
	more // and what follows it: words are shortened before anything above is left out
)

// line is one row of text, or, for an address, as many as it wraps into.
type line struct {
	text  string
	style style
	rows  int
}

// textOf is what is written beside, below or, without a code, instead of a QR
// code. reason says why there is none.
func textOf(s Screen, withCode bool, reason string) []block {
	title, wrong := must, problem
	if s.Kind == Problem {
		title, wrong = heading, must
	}
	if len(s.Payloads) > 0 {
		title = heading // there is something to do, which matters more
	}
	blocks := []block{{s.Title, prose, title, s.Brief.Title}, {s.Problem, prose, wrong, s.Brief.Problem}}
	if withCode {
		blocks = append(blocks, block{s.Scan, prose, todo, s.Brief.Scan}, block{s.Address, whole, address, ""})
	} else {
		blocks = append(blocks, block{s.Open, prose, todo, s.Brief.Open}, block{s.Address, whole, must, ""})
	}
	if s.Code != "" {
		blocks = append(blocks, block{s.Enter, prose, enter, ""}, block{s.Code, large, must, ""})
	}
	blocks = append(blocks, block{s.Left, prose, left, s.Brief.Left})
	for i, l := range s.Lines {
		blocks = append(blocks, block{l, prose, more + i, ""})
	}
	blocks = append(blocks, block{reason, prose, enter, ""})
	return slices.DeleteFunc(blocks, func(b block) bool { return b.text == "" })
}

// elsewhere is the text for a display that has no room even for the address.
func elsewhere(s Screen, reason string) []block {
	s.Address, s.Open, s.Brief.Open = "", s.Elsewhere, s.Brief.Elsewhere
	blocks := textOf(s, false, reason)
	for i, b := range blocks {
		if b.text == s.Elsewhere || s.Elsewhere == "" {
			blocks[i].rank = must
			break
		}
	}
	return blocks
}

// shortAddress drops an address of more than so many columns: beside a QR code
// it would only be in the way.
func shortAddress(blocks []block, most int) []block {
	var kept []block
	for _, b := range blocks {
		if b.style != whole || width(b.text) <= most {
			kept = append(kept, b)
		}
	}
	return kept
}

// arrange sets blocks in columns and rows, with empty rows between them where
// there is room. It leaves out what ranks above shown; with shown below must,
// not even that fits.
func arrange(blocks []block, columns, rows int) (lines []line, shown int) {
	for rank := highest(blocks); rank >= must; rank-- {
		for _, spaced := range []bool{true, false} {
			if lines := set(blocks, rank, columns, spaced); height(lines) <= rows {
				return lines, rank
			}
		}
		if rank >= more {
			continue
		}
		if lines := set(shortened(blocks), rank, columns, false); height(lines) <= rows {
			return lines, rank
		}
	}
	return nil, must - 1
}

// highest is the rank of the least important block.
func highest(blocks []block) int {
	rank := must
	for _, b := range blocks {
		rank = max(rank, b.rank)
	}
	return rank
}

func shortened(blocks []block) []block {
	short := slices.Clone(blocks)
	for i, b := range short {
		if b.brief != "" {
			short[i].text = b.brief
		}
	}
	return short
}

// clip sets blocks and cuts off what does not fit.
func clip(blocks []block, columns, rows int) []line {
	lines := set(shortened(blocks), must, columns, false)
	for height(lines) > max(rows, 0) {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func set(blocks []block, rank, columns int, spaced bool) []line {
	var lines []line
	for _, b := range blocks {
		if b.rank > rank {
			continue
		}
		if spaced && len(lines) > 0 {
			lines = append(lines, line{rows: 1})
		}
		switch b.style {
		case prose:
			for _, row := range wrap(b.text, columns) {
				lines = append(lines, line{row, prose, 1})
			}
		case whole:
			lines = append(lines, line{b.text, whole, max(1, (width(b.text)+columns-1)/max(columns, 1))})
		case broken:
			for _, piece := range pieces(b.text, columns) {
				lines = append(lines, line{piece, prose, 1})
			}
		case large:
			for _, row := range wrap(b.text, columns-2) { // it is set with a margin
				lines = append(lines, line{row, large, 1})
			}
		}
	}
	return lines
}

func height(lines []line) int {
	n := 0
	for _, l := range lines {
		n += l.rows
	}
	return n
}

// wrap breaks text at blanks, and within a word only where it is longer than a
// row.
func wrap(text string, columns int) []string {
	columns = max(columns, 2) // a wide character takes 2
	var rows []string
	var row string
	used := 0 // columns of row
	for word := range strings.FieldsSeq(text) {
		if row != "" && used+1+width(word) <= columns {
			row += " " + word
			used += 1 + width(word)
			continue
		}
		if row != "" {
			rows = append(rows, row)
		}
		begin := 0
		used = 0
		for i, r := range word {
			if used+runeWidth(r) > columns {
				rows = append(rows, word[begin:i])
				begin, used = i, 0
			}
			used += runeWidth(r)
		}
		row = word[begin:]
	}
	if row != "" {
		rows = append(rows, row)
	}
	return rows
}

// pieces breaks an address before a point or a colon or after a slash, where
// there is one in the second half of a row.
func pieces(address string, columns int) []string {
	columns = max(columns, 1)
	var rows []string
	rest := []rune(address)
	for len(rest) > columns {
		at := columns
		for p := columns; p > columns/2; p-- {
			if rest[p] == '.' || rest[p] == ':' || rest[p-1] == '/' {
				at = p
				break
			}
		}
		rows, rest = append(rows, string(rest[:at])), rest[at:]
	}
	return append(rows, string(rest))
}

// clean makes text harmless for a terminal: an account's name or an error that
// came over the network must not move the cursor. ascii leaves nothing else.
func clean(text string, ascii bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			return '?'
		case ascii && r > unicode.MaxASCII:
			return '?'
		}
		return r
	}, text)
}

// cleaned is the screen with all its words made harmless.
func (s Screen) cleaned(ascii bool) Screen {
	for _, t := range []*string{
		&s.Title, &s.Problem, &s.Scan, &s.Open, &s.Address, &s.Enter, &s.Code,
		&s.SmallerCode, &s.Elsewhere, &s.Left,
		&s.Brief.Title, &s.Brief.Problem, &s.Brief.Scan, &s.Brief.Open, &s.Brief.Left, &s.Brief.Elsewhere,
	} {
		*t = clean(*t, ascii)
	}
	lines := make([]string, len(s.Lines))
	for i, l := range s.Lines {
		lines[i] = clean(l, ascii)
	}
	s.Lines = lines
	return s
}

func width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is the number of cells a terminal gives to r: 2 for what Unicode's
// UAX #11 calls wide, 0 for marks that stand on the letter before.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf && r != 0x303f,
		r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f,
		r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff,
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}
