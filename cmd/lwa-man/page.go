package main

import (
	"bytes"
	"fmt"
	"strings"
)

// A page is one of the manual, in the language of man(7), which man-db and mandoc
// both read.
type page struct {
	name string // with its section: lwa-agent-link.1
	text bytes.Buffer
}

// newPage begins one. date is a day (2006-01-02).
func newPage(name string, section int, does, version, date string) *page {
	p := &page{name: fmt.Sprintf("%s.%d", name, section)}
	version, _, _ = strings.Cut(version, "+") // what follows would run into the date
	// Not by macro: mandoc wants plain hyphens in it.
	fmt.Fprintf(&p.text, ".TH %q %d %q %q %q\n", strings.ToUpper(name), section, date, "lwa-agent "+version, "lwa-agent")
	p.section("NAME")
	p.text.WriteString(escape(name) + ` \- ` + escape(does) + "\n")
	return p
}

// macro writes a line of the language itself.
func (p *page) macro(name string, args ...string) {
	p.text.WriteString("." + name)
	for _, arg := range args {
		p.text.WriteString(` "` + strings.ReplaceAll(escape(arg), `"`, `\(dq`) + `"`)
	}
	p.text.WriteString("\n")
}

func (p *page) section(name string) { p.macro("SH", name) }

// prose writes paragraphs as people wrote them for a terminal: an empty line ends
// one, and lines that begin with blanks stay as they are.
func (p *page) prose(text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			p.macro("PP")
		}
		if strings.HasPrefix(paragraph, " ") {
			p.verbatim(paragraph)
			continue
		}
		for line := range strings.Lines(paragraph) {
			p.line(line)
		}
	}
}

// verbatim writes lines that are kept, such as commands to paste.
func (p *page) verbatim(text string) {
	p.macro("RS", "4n")
	p.macro("EX")
	for line := range strings.Lines(text) {
		p.line(line)
	}
	p.macro("EE")
	p.macro("RE")
}

// entry is a term and what is said of it.
func (p *page) entry(term, says string) {
	p.macro("TP")
	p.macro("B", term)
	p.line(says)
}

func (p *page) line(text string) {
	text = escape(strings.TrimRight(text, " \n"))
	if text == "" {
		text = `\&` // of an empty one mandoc complains
	}
	if strings.HasPrefix(text, ".") {
		text = `\&` + text // else it would be taken for a command
	}
	p.text.WriteString(text + "\n")
}

// seeAlso ends the page.
func (p *page) seeAlso(pages ...string) {
	p.section("SEE ALSO")
	for i, to := range pages {
		name, section, _ := strings.Cut(to, ".")
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		p.macro("BR", name, "("+section+")"+end)
	}
}

// escape keeps characters what they are: unescaped, a hyphen may become one that no
// shell knows, and quotes those of a printed book.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}
