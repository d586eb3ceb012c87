package display

import (
	"fmt"
	"slices"
	"strings"
)

// unbounded is more columns, rows and ranks than anything has.
const unbounded = 1 << 20

// Cells is what a terminal can show. The zero value is one that takes plain
// text only.
type Cells struct {
	Columns, Rows int

	// Escapes says that colours and cursor movements are understood: it is a
	// terminal, and not a dumb one.
	Escapes bool

	// NoHalfBlock says why U+2580 cannot be shown, as "the locale is not
	// UTF-8"; "" when it can. Then a QR code needs 4 times the cells.
	NoHalfBlock string

	// ASCII says that nothing beyond it can be shown.
	ASCII bool

	// VT says that this is a virtual console of Linux, which has to be told
	// that UTF-8 follows.
	VT bool
}

const (
	gap       = 2  // columns between a QR code and the text beside it
	leastText = 24 // columns, for text to stand beside a QR code
)

// set writes a line of text. A code for typing is lit, as the QR code is.
func (c Cells) set(l line) string {
	if l.style != large {
		return l.text
	}
	if !c.Escapes {
		return "    " + l.text
	}
	return onLight + " " + l.text + " " + reset
}

// FullScreen is the whole of s for a terminal that shows nothing else, one row
// always left free: the cursor's. It begins at the cursor, clears nothing and
// does not end in a newline. shows says what is to be seen.
func (c Cells) FullScreen(s Screen) (out, shows string) {
	if !c.Escapes {
		return c.Inline(s, 1)
	}
	s = s.cleaned(c.ASCII)
	rows := c.Rows - 1
	codes, reason := encodeAll(s.Payloads)
	for i, q := range codes {
		for quiet := fullQuiet; quiet >= leastQuiet; quiet-- {
			if lines, ok := c.layout(s, q, quiet, rows); ok {
				return strings.Join(lines, "\r\n"), q.String() + c.passedOver(s, codes[:i])
			}
		}
	}
	if len(codes) > 0 {
		reason = c.shortage(codes[0], c.leastRows(s, codes[0]))
	}
	said := c.said(s, reason)
	lines, shown := arrange(textOf(s, false, said), c.Columns, rows)
	if shown < must {
		lines = c.little(s, said, rows)
	}
	var text []string
	for _, l := range lines {
		text = append(text, c.set(l))
	}
	return strings.Join(text, "\r\n"), textShows(s, reason)
}

// layout puts text beside the code, or below it, if both fit.
func (c Cells) layout(s Screen, q qrCode, quiet, rows int) ([]string, bool) {
	width, height := c.codeSize(q, quiet)
	if width > c.Columns || height > rows {
		return nil, false
	}
	blocks := textOf(s, true, "")
	if room := c.Columns - width - gap; room >= leastText {
		if text, shown := arrange(shortAddress(blocks, room), room, rows); shown >= must {
			return beside(c.codeRows(q, quiet), text, width, c), true
		}
	}
	text, shown := arrange(shortAddress(blocks, c.Columns), c.Columns, rows-height)
	if shown < must {
		return nil, false
	}
	lines := c.codeRows(q, quiet)
	for _, l := range text {
		lines = append(lines, c.set(l))
	}
	return lines, true
}

func beside(code []string, text []line, width int, c Cells) []string {
	lines := code
	for i, l := range text {
		if i == len(lines) {
			lines = append(lines, strings.Repeat(" ", width))
		}
		if l.text != "" {
			lines[i] += strings.Repeat(" ", gap) + c.set(l)
		}
	}
	return lines
}

// leastRows is the height at which q and what must be seen with it fit for
// certain, in a terminal that is just wide enough.
func (c Cells) leastRows(s Screen, q qrCode) int {
	width, rows := c.codeSize(q, leastQuiet)
	var must []block
	for _, b := range shortAddress(textOf(s, true, ""), width) {
		if b.rank == 0 {
			must = append(must, b)
		}
	}
	return height(set(must, 0, width, false)) + rows + 1
}

// little is the text for a terminal too small for the address.
func (c Cells) little(s Screen, reason string, rows int) []line {
	blocks := elsewhere(s, reason)
	if lines, shown := arrange(blocks, c.Columns, rows); shown >= must {
		return lines
	}
	return clip(blocks, c.Columns, rows)
}

// Inline is s for a terminal that scrolls: the text and the address first, then
// the QR code, if it stays in sight above the rows that the caller writes below
// it, the cursor's row counted. It ends in a newline. Where there are no
// escapes it is plain text with the address on a line of its own: no QR code
// gets into a log.
func (c Cells) Inline(s Screen, below int) (out, shows string) {
	s = s.cleaned(c.ASCII)
	columns := c.Columns
	if !c.Escapes {
		columns = unbounded // whoever reads it, wraps it
		return c.lines(textOf(s, false, ""), columns, unbounded), textShows(s, "not a terminal that shows QR codes")
	}
	codes, reason := encodeAll(s.Payloads)
	for i, q := range codes {
		for quiet := fullQuiet; quiet >= leastQuiet; quiet-- {
			if width, height := c.codeSize(q, quiet); width <= columns && height+below <= c.Rows {
				text, blank := codeLast(textOf(s, true, ""), s.Scan), "\n"
				room := c.Rows - height - below - len(blank)
				if isHigher(text, columns, room) {
					blank = "" // at 80x24 it would push out of sight what to do with a code pair
				}
				return c.lines(text, columns, room) + blank + strings.Join(c.codeRows(q, quiet), "\n") + "\n",
					q.String() + c.passedOver(s, codes[:i])
			}
		}
	}
	if len(codes) > 0 {
		_, height := c.codeSize(codes[0], leastQuiet)
		reason = c.shortage(codes[0], height+below)
	}
	// Half of the terminal, since the caller may have written other ways above it.
	return c.lines(textOf(s, false, c.said(s, reason)), columns, c.Rows/2), textShows(s, reason)
}

// codeLast puts what is typed on the phone last, where it stays in sight above
// the QR code.
//
// That begins with the sentence scan, which says what to do with it.
func codeLast(blocks []block, scan string) []block {
	last := slices.IndexFunc(blocks, func(b block) bool { return b.style == large })
	if last < 0 {
		return blocks
	}
	first := slices.IndexFunc(blocks, func(b block) bool { return b.text == scan || b.style == whole })
	typed := slices.Clone(blocks[max(first, 0) : last+1])
	return append(slices.Concat(blocks[:max(first, 0)], blocks[last+1:]), typed...)
}

// lines sets all blocks, closer where they are more than so many rows: the
// terminal scrolls, and what stands last stays in sight.
func (c Cells) lines(blocks []block, columns, rows int) string {
	lines := set(blocks, unbounded, columns, !isHigher(blocks, columns, rows))
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(c.set(l) + "\n")
	}
	return b.String()
}

// isHigher reports whether blocks with a free row between them take more than
// so many rows.
func isHigher(blocks []block, columns, rows int) bool {
	return height(set(blocks, unbounded, columns, true)) > rows
}

// shortage says what the code q needs and what there is.
func (c Cells) shortage(q qrCode, rows int) string {
	columns, _ := c.codeSize(q, leastQuiet)
	reason := fmt.Sprintf("%s needs %dx%d cells, this terminal has %dx%d: enlarge it",
		q.name, columns, rows, c.Columns, c.Rows)
	if c.NoHalfBlock != "" {
		reason = c.NoHalfBlock + ", so " + reason
	}
	return reason
}

// said is the reason as people see it, with everything that would help.
func (c Cells) said(s Screen, reason string) string {
	if reason == "" {
		return ""
	}
	said := "No QR code here: " + reason
	if s.SmallerCode != "" {
		said += ", or " + s.SmallerCode
	}
	return said + "."
}

func (c Cells) passedOver(s Screen, codes []qrCode) string {
	if len(codes) == 0 {
		return ""
	}
	return " (" + c.shortage(codes[0], c.leastRows(s, codes[0])) + ")"
}

func textShows(s Screen, reason string) string {
	switch {
	case s.Kind == Blank:
		return "nothing"
	case reason != "" && len(s.Payloads) > 0:
		return "text: " + reason
	}
	return "text"
}
