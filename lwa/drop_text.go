package lwa

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
)

// plainText decodes what editors and consoles save: UTF-8 or UTF-16, with or
// without a byte order mark. Every white space becomes a blank, typographic
// quotation marks become ' or ", and what has no width goes: copied text is
// full of it, and no code or state can hold any of it.
func plainText(text []byte) string {
	var s string
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}):
		s = fromUTF16(text[2:], binary.LittleEndian)
	case bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		s = fromUTF16(text[2:], binary.BigEndian)
	case mostlyZero(text, 1):
		s = fromUTF16(text, binary.LittleEndian)
	case mostlyZero(text, 0):
		s = fromUTF16(text, binary.BigEndian)
	default:
		s = string(text)
	}
	return strings.Map(plainRune, s)
}

func plainRune(r rune) rune {
	switch r {
	case 0, '\ufeff', '\u200b', '\u200c', '\u200d', '\u200e', '\u200f', '\u2060', '\u00ad':
		return -1
	case '“', '”', '„', '‟', '«', '»', '″':
		return '"'
	case '‘', '’', '‚', '‛', '‹', '›', '′':
		return '\''
	}
	if unicode.IsSpace(r) {
		return ' '
	}
	return r
}

// mostlyZero reports whether text is ASCII in UTF-16 whose high bytes are the
// ones at odd (1) or even (0) places: Windows programs also write it without
// the mark. Zeros at both are padding, and go like what has no width.
func mostlyZero(text []byte, high int) bool {
	var zeros [2]int
	for i, b := range text {
		if b == 0 {
			zeros[i%2]++
		}
	}
	return zeros[high] > 0 && zeros[high] >= len(text)/4 && zeros[1-high] == 0
}

func fromUTF16(text []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(text)/2)
	for i := range units {
		units[i] = order.Uint16(text[2*i:])
	}
	return string(utf16.Decode(units))
}

// unquote takes quotation marks off, and the angle brackets that mail programs
// put round an address. One of a pair alone is refused: the text behind or
// before it may be missing as well.
func unquote(s string) (text string, quoted bool, err error) {
	for s != "" {
		first, last := s[0], s[len(s)-1]
		pair := first == last && isQuote(first) || first == '<' && last == '>' && isAddress(s)
		if !pair && !isQuote(first) && !isQuote(last) {
			break
		}
		if !pair || len(s) < 2 {
			return "", false, badDrop("a quotation mark has no counterpart", codeOrWhole+", without quotation marks")
		}
		s, quoted = strings.TrimSpace(s[1:len(s)-1]), true
	}
	return s, quoted, nil
}

func isQuote(b byte) bool { return b == '"' || b == '\'' || b == '`' }

// isVisible reports whether s is visible ASCII: no blank, no control.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// printable makes a stranger's words safe for a terminal, a display and a log:
// no control characters, nothing that changes the direction of writing.
func printable(s string, limit int) string {
	clean := []rune(strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)))
	return strings.TrimSpace(string(clean[:min(limit, len(clean))]))
}
