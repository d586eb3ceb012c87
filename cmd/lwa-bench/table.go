package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table is all that a run has found.
type table struct {
	Machine machine `json:"machine"`
	Seconds float64 `json:"seconds"` // that it took, the build left out
	Rows    []row   `json:"rows"`
}

func (t table) writeJSON(out io.Writer) error {
	text := json.NewEncoder(out)
	text.SetIndent("", "  ")
	text.SetEscapeHTML(false)
	return text.Encode(t)
}

// write prints the table for people, then what has to be known of its figures.
func (t table) write(out io.Writer) error {
	var b strings.Builder
	b.WriteString(t.Machine.String() + "\n\n")
	const layout = "%-41s %11s %12s %12s %9s  %s"
	line := func(cells ...any) {
		b.WriteString(strings.TrimRight(fmt.Sprintf(layout, cells...), " ") + "\n")
	}
	line("", "goal", "median", "p99", "runs", "")
	var notes []string
	for _, r := range t.Rows {
		mark := ""
		if r.missed() {
			mark = "missed"
		}
		if r.Why != "" {
			fmt.Fprintf(&b, "%-41s %11s  not taken: %s\n", r.What, r.Goal, r.Why)
		} else {
			line(r.What, r.Goal, r.value(r.Median), r.value(r.P99), thousands(r.Runs), mark)
		}
		if r.Note != "" {
			notes = append(notes, wrap(r.Name+": "+r.Note, 100, "  "))
		}
	}
	b.WriteString("\nThe p99 of fewer than 100 runs is their maximum. MB are of 1,000,000 bytes.\n")
	fmt.Fprintf(&b, "Taken in %.0f s.\n", t.Seconds)
	if len(notes) > 0 {
		b.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// String is the goal as the table has it.
func (g goal) String() string {
	sign := "≤"
	if g.AtLeast {
		sign = "≥"
	}
	limit := strconv.FormatFloat(g.Limit, 'f', -1, 64)
	if g.Limit >= 1000 {
		limit = thousands(int(g.Limit))
	}
	return sign + " " + limit + " " + g.Unit
}

// value is a figure with its unit; empty where there is none.
func (r row) value(v *float64) string {
	if v == nil {
		return ""
	}
	return number(*v) + " " + r.Goal.Unit
}

// number writes three digits, or more where there are more before the point.
func number(v float64) string {
	switch {
	case v >= 1000 || v <= -1000:
		return thousands(int(v + 0.5))
	case v == 0:
		return "0"
	}
	decimals := 0
	for limit := 100.0; decimals < 4 && v < limit && -v < limit; limit /= 10 {
		decimals++
	}
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// thousands writes a whole number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// wrap breaks text into lines of at most so many characters, where its words
// allow it; all but the first begin with indent.
func wrap(text string, width int, indent string) string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}
