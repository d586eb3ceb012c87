package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A Setting is a text or a number of a configuration file, by its path, as in
// "device.product_id". An empty one is the default.
type Setting struct{ Path, Text string }

// value is as TOML has it.
func (s Setting) value() string {
	if s.isNumber() {
		return s.Text
	}
	return quote(s.Text)
}

// Texts returns the texts that stand in a configuration file, by path; name is
// what a problem calls it.
func Texts(name string, text []byte) (map[string]string, error) {
	r, problem := newReader(name, trimBOM(text))
	if problem != nil {
		return nil, problem
	}
	texts := map[string]string{}
	for path, v := range r.values {
		if v.kind == unstable.String {
			texts[path] = v.text
		}
	}
	return texts, nil
}

// Set returns text with settings changed, and all else byte for byte as it was,
// comments included. What is there is changed where it stands; what is not
// there is added at the top of the file or of its table. A default that is not
// there is not added.
func Set(name string, text []byte, settings ...Setting) ([]byte, error) {
	before, problem := newReader(name, trimBOM(text))
	if problem != nil {
		return nil, problem
	}
	for _, s := range settings {
		if s.isNumber() {
			before.number(s.Path)
		} else {
			before.text(s.Path)
		}
	}
	if err := before.err(); err != nil {
		return nil, err
	}
	for _, s := range settings {
		text = set(text, s)
		if now, problem := newReader(name, trimBOM(text)); problem != nil || now.values[s.Path].text != s.Text {
			// Braces, say, which nothing can be added to.
			return nil, &Problem{
				name, before.line(s.Path), s.Path + " cannot be added to what stands here",
				"write it there yourself: " + lastKey(s.Path) + " = " + s.value(), nil,
			}
		}
	}
	return text, nil
}

// set returns text, which is TOML, with one setting changed.
func set(text []byte, s Setting) []byte {
	start := len(text) - len(trimBOM(text))
	r, problem := newReader("", text[start:])
	if problem != nil {
		return text
	}
	old, there := r.values[s.Path]
	at, end := start, start
	insert := lastKey(s.Path) + " = " + s.value() + "\n"
	switch {
	case s.Text == old.text:
		return text
	case there:
		at += int(old.raw.Offset)
		end = at + int(old.raw.Length)
		insert = s.value()
	case strings.Contains(s.Path, "."):
		at, insert = r.place(text[start:], s.Path, insert)
		at, end = at+start, at+start
	}
	return slices.Concat(text[:at], []byte(insert), text[end:])
}

// place returns where in text a setting of a table may be added, and the line
// to add: below the table's header, among other settings of its own that have no
// header, or in a table that is added.
func (r *reader) place(text []byte, path, line string) (at int, insert string) {
	in := path[:strings.LastIndexByte(path, '.')]
	for _, t := range r.tables {
		if t.path != in {
			continue
		}
		at := 0
		for range t.line {
			at += strings.IndexByte(string(text[at:])+"\n", '\n') + 1
		}
		if at > len(text) { // the header ends the file, without a newline
			return len(text), "\n" + line
		}
		return at, line
	}
	for p := range r.values {
		if strings.HasPrefix(p, in+".") {
			return 0, in + "." + line
		}
	}
	header := "[" + in + "]\n"
	if name := withoutNumbers(in); name != in { // the next element of a list
		header = "[[" + name + "]]\n"
	}
	switch {
	case len(text) == 0:
	case text[len(text)-1] == '\n':
		header = "\n" + header
	default:
		header = "\n\n" + header
	}
	return len(text), header + line
}

// quote writes text as TOML does; what is no UTF-8 becomes U+FFFD.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
