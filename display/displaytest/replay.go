// Package displaytest shows tests what a person, or a phone's camera, would see
// on a display: it replays what was written to a terminal into cells and
// pixels, and reads QR codes from pixels with a decoder that shares no code
// with the encoder.
package displaytest

import (
	"fmt"
	"image"
	"image/color"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Theme is what a terminal makes of the default colours: those of cells for
// which none was set.
type Theme struct{ Ink, Paper color.Gray }

// Dark is the theme of consoles.
func Dark() Theme { return Theme{Ink: color.Gray{0xe5}, Paper: color.Gray{0}} }

// Light is the theme of windows.
func Light() Theme { return Theme{Ink: color.Gray{0}, Paper: color.Gray{0xff}} }

// Cell is one place of a terminal. Ink and Paper are the SGR numbers 30 to 37
// or 39, and 40 to 47 or 49.
type Cell struct {
	Rune       rune
	Ink, Paper int
}

// Picture is what a terminal shows.
type Picture struct {
	Columns, Rows int
	Cells         [][]Cell // by row, by column
	Scrolled      int      // rows that left at the top
	Wrapped       int      // rows that went on in the next one because they were too long
	HiddenCursor  bool
}

// terminal interprets the few escape sequences that package display and tmux
// write, as xterm does.
type terminal struct {
	Picture
	x, y       int
	ink, paper int
}

// Replay writes output to an empty terminal. It knows the sequences that this
// program may use, those in which tmux captures a pane, and no other: anything
// else is an error, since a Linux console might print it. A newline returns the
// carriage, as terminals are set.
func Replay(output []byte, columns, rows int) (Picture, error) {
	t := terminal{Picture: Picture{Columns: columns, Rows: rows}, ink: 39, paper: 49}
	t.clear()
	for rest := string(output); rest != ""; {
		if rest[0] == '\x1b' {
			n, err := t.escape(rest)
			if err != nil {
				return t.Picture, err
			}
			rest = rest[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(rest)
		if r == utf8.RuneError && n == 1 {
			return t.Picture, fmt.Errorf("byte %#x is not UTF-8", rest[0])
		}
		rest = rest[n:]
		switch {
		case r == '\r':
			t.x = 0
		case r == '\n':
			t.x = 0
			t.down()
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0:
			return t.Picture, fmt.Errorf("control character %#x", r)
		default:
			t.put(r)
		}
	}
	return t.Picture, nil
}

func (t *terminal) put(r rune) {
	if t.x == t.Columns { // the last column was written before: only now is the row too long
		t.x = 0
		t.Wrapped++
		t.down()
	}
	t.Cells[t.y][t.x] = Cell{r, t.ink, t.paper}
	t.x++
}

func (t *terminal) down() {
	if t.y++; t.y == t.Rows {
		t.y--
		t.Scrolled++
		t.Cells = append(slices.Clone(t.Cells[1:]), t.emptyRow())
	}
}

func (t *terminal) clear() {
	t.Cells = nil
	for range t.Rows {
		t.Cells = append(t.Cells, t.emptyRow())
	}
}

// emptyRow has the current background, as xterm and the Linux console erase.
func (t *terminal) emptyRow() []Cell {
	return slices.Repeat([]Cell{{' ', 39, t.paper}}, t.Columns)
}

func (t *terminal) escape(s string) (int, error) {
	if strings.HasPrefix(s, "\x1b%G") {
		return 3, nil
	}
	if !strings.HasPrefix(s, "\x1b[") {
		return 0, fmt.Errorf("escape sequence %.6q is not known everywhere", s)
	}
	end := strings.IndexFunc(s[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	if end < 0 {
		return 0, fmt.Errorf("escape sequence %.10q does not end", s)
	}
	args, final, n := s[2:2+end], s[2+end], end+3
	switch {
	case final == 'm':
		return n, t.colour(args)
	case final == 'H' && args == "":
		t.x, t.y = 0, 0
	case final == 'J' && args == "2":
		t.clear()
	case (final == 'l' || final == 'h') && args == "?25":
		t.HiddenCursor = final == 'l'
	default:
		return n, fmt.Errorf("escape sequence %q is not known everywhere", s[:n])
	}
	return n, nil
}

func (t *terminal) colour(args string) error {
	for arg := range strings.SplitSeq(args, ";") {
		n, err := strconv.Atoi(arg)
		switch {
		case arg == "" || n == 0 && err == nil:
			t.ink, t.paper = 39, 49
		case n >= 30 && n <= 37 || n == 39:
			t.ink = n
		case n >= 40 && n <= 47 || n == 49:
			t.paper = n
		default:
			return fmt.Errorf("colour %q is not the same everywhere", args)
		}
	}
	return nil
}

// Text is what stands there to read, one line for each row, without blanks at
// the ends of rows and without empty rows at the end. Half blocks are left as
// they are.
func (p Picture) Text() string {
	var b strings.Builder
	for _, row := range p.Cells {
		var line strings.Builder
		for _, c := range row {
			line.WriteRune(c.Rune)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// Image is what a camera sees, at so many pixels per module of a QR code made
// of half blocks: half the height of a cell. With 8, which are the cells of the
// Linux console, letters can be read; with fewer they are blots.
//
//go:norace
func (p Picture) Image(theme Theme, pixels int) *image.Gray {
	picture := image.NewGray(image.Rect(0, 0, p.Columns*pixels, p.Rows*2*pixels))
	for y, row := range p.Cells {
		for x, c := range row {
			ink, paper := theme.colour(c.Ink), theme.colour(c.Paper)
			upper, lower := paper, paper
			switch c.Rune {
			case '▀':
				upper = ink
			case '▄':
				lower = ink
			case '█':
				upper, lower = ink, ink
			}
			at := image.Pt(x*pixels, y*2*pixels)
			fill(picture, image.Rect(0, 0, pixels, pixels).Add(at), upper)
			fill(picture, image.Rect(0, pixels, pixels, 2*pixels).Add(at), lower)
			switch {
			case c.Rune <= ' ' || strings.ContainsRune("▀▄█", c.Rune):
			case pixels < 8:
				fill(picture, image.Rect(0, pixels/2, pixels-1, pixels+pixels/2).Add(at), ink)
			default:
				d := font.Drawer{
					Dst: picture, Src: image.NewUniform(ink), Face: basicfont.Face7x13,
					Dot: fixed.P(at.X, at.Y+12),
				}
				d.DrawString(string(c.Rune))
			}
		}
	}
	return picture
}

// colour is what xterm makes of an SGR number: its palette, but grey only, as
// this program uses no other.
func (t Theme) colour(n int) color.Gray {
	switch n {
	case 39:
		return t.Ink
	case 49:
		return t.Paper
	case 30, 40:
		return color.Gray{0}
	case 37, 47:
		return color.Gray{0xe5}
	}
	return color.Gray{0x80}
}

//go:norace
func fill(picture *image.Gray, area image.Rectangle, c color.Gray) {
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := picture.Pix[picture.PixOffset(area.Min.X, y):picture.PixOffset(area.Max.X, y)]
		for x := range row {
			row[x] = c.Y
		}
	}
}
