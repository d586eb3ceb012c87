package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"lwa-agent/lwa"

	"github.com/pelletier/go-toml/v2/unstable"
)

// keys are the settings of each table that there is; "" is the top of the
// file. The two lists of tables stand in brackets.
func keys() map[string][]string {
	return map[string][]string{
		"":             {"client_id", "client_secret_file", "scopes", "region", "redirect_uri", "method", "state_dir", "runtime_dir", "code"},
		"device":       {"product_id", "serial_number"},
		"inbox":        {"paths"},
		"link_page":    {"listen", "cert_file", "key_file"},
		"refresh":      {"boot_spread"},
		"[display]":    {"driver", "device", "width", "height", "rotate", "address", "dc_pin", "reset_pin", "busy_pin", "width_mm"},
		"[token_file]": {"path", "mode", "group"},
		"[access]":     {"user", "group", "may"},
		"endpoints":    {"authorize", "token", "codepair", "profile"},
	}
}

// A reader takes values out of a document and collects what is wrong with them.
type reader struct {
	document
	file     string
	problems []*Problem
	warnings []string
	bad      map[string]bool // paths of values that were reported already
	given    *lwa.Secret     // the client secret, where the file does not say
}

func newReader(file string, text []byte) (*reader, *Problem) {
	d, problem := readDocument(file, text)
	return &reader{document: d, file: file, bad: map[string]bool{}}, problem
}

// err joins the problems in the order of their lines.
func (r *reader) err() error {
	slices.SortStableFunc(r.problems, func(a, b *Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.What, b.What))
	})
	var all []error
	for _, p := range r.problems {
		all = append(all, p)
	}
	return errors.Join(all...)
}

func (r *reader) report(line int, what, cure string) {
	r.problems = append(r.problems, &Problem{r.file, line, what, cure, nil})
}

// fault reports a problem with the value at path; where there is none, with
// the table it is missing from.
func (r *reader) fault(path, what, cure string) { r.report(r.line(path), what, cure) }

// reject reports a value that cannot even be taken; later checks pass it over.
func (r *reader) reject(path, what, cure string) {
	r.fault(path, what, cure)
	r.bad[path] = true
}

func (r *reader) warn(path, what, cure string) {
	r.warnings = append(r.warnings, (&Problem{r.file, r.line(path), what, cure, nil}).Error())
}

// missing reports that nothing is set at path.
func (r *reader) missing(path, what, cure string) {
	if !r.bad[path] {
		r.fault(path, what, cure)
	}
}

func (r *reader) line(path string) int {
	if v, ok := r.values[path]; ok {
		return v.line
	}
	in := path[:max(strings.LastIndexByte(path, '.'), 0)]
	for _, t := range r.tables {
		if in != "" && t.path == in {
			return t.line
		}
	}
	return 1
}

// text returns the text at path, "" when it is not set.
func (r *reader) text(path string) string {
	v, ok := r.values[path]
	if !ok {
		return ""
	}
	if v.kind != unstable.String {
		r.reject(path, fmt.Sprintf("%s is %s, not text", path, kindName(v.kind)), fmt.Sprintf(`write it in quotes: %s = "…"`, lastKey(path)))
		return ""
	}
	if hasControl(v.text) && path != "code" {
		r.reject(path, path+" holds a line break or another control character", "write it on one line")
		return ""
	}
	return v.text
}

// list returns the texts in the list at path, nil when it is not set.
func (r *reader) list(path string) []string {
	v, ok := r.values[path]
	if !ok {
		return nil
	}
	if v.kind != unstable.Array {
		r.reject(path, fmt.Sprintf("%s is %s, not a list", path, kindName(v.kind)), fmt.Sprintf(`write it in brackets: %s = ["…"]`, lastKey(path)))
		return nil
	}
	var texts []string
	for _, item := range v.items {
		switch {
		case item.kind != unstable.String:
			r.reject(path, fmt.Sprintf("%s holds %s, not only text", path, kindName(item.kind)), fmt.Sprintf(`write each in quotes: %s = ["…", "…"]`, lastKey(path)))
			return nil
		case item.text == "" || hasControl(item.text):
			r.reject(path, path+" holds an empty text or a control character", "remove it")
			return nil
		}
		texts = append(texts, item.text)
	}
	return texts
}

func hasControl(text string) bool {
	return strings.ContainsFunc(text, unicode.IsControl)
}

func kindName(k unstable.Kind) string {
	name, ok := map[unstable.Kind]string{
		unstable.String:      "text",
		unstable.Bool:        "true or false",
		unstable.Integer:     "a number",
		unstable.Float:       "a number",
		unstable.Array:       "a list",
		unstable.InlineTable: "a table",
	}[k]
	if !ok {
		return "a date" // or a time: all that is left in TOML
	}
	return name
}

func lastKey(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// unknown reports everything in the file that means nothing here.
func (r *reader) unknown() {
	known := keys()
	skip := map[string]bool{}
	for _, t := range r.tables {
		_, single := known[t.name]
		_, list := known["["+t.name+"]"]
		switch {
		case t.list && list, !t.list && single:
			continue
		case list:
			r.report(t.line, fmt.Sprintf("%s is a list, of which this is no element", t.name), fmt.Sprintf("write [[%s]] with two brackets", t.name))
		case single:
			r.report(t.line, fmt.Sprintf("%s can be there only once", t.name), fmt.Sprintf("write [%s] with one bracket", t.name))
		default:
			r.report(t.line, "unknown table "+t.name, near(t.name, tableNames(known)))
		}
		skip[t.path] = true
	}
	for path, v := range r.values {
		name := withoutNumbers(v.in)
		if skip[v.in] {
			continue
		}
		if strings.HasSuffix(v.in, "]") {
			name = "[" + name + "]"
		}
		if slices.Contains(known[name], v.key) {
			continue
		}
		r.report(v.line, "unknown key "+path, cureOfUnknown(v.key, name, known))
	}
}

// unknownOfDisplays reports of what unknown does only what was meant for a
// display: a key in its table, or its table under another name.
func (r *reader) unknownOfDisplays() {
	r.unknown()
	r.problems = slices.DeleteFunc(r.problems, func(p *Problem) bool {
		cure := strings.Contains(p.Cure, "display") && !strings.HasPrefix(p.Cure, noneNear)
		return !cure && !strings.Contains(p.What, "display")
	})
}

func cureOfUnknown(key, in string, known map[string][]string) string {
	switch key {
	case "client_secret":
		return "put the secret into a file of its own, readable for the agent alone, and name that file in client_secret_file"
	case "refresh_token", "access_token":
		return "remove it: tokens come from linking, and are kept in state_dir"
	}
	if in == "" {
		if _, single := known[key]; single && key != "" {
			return fmt.Sprintf("%s is a table: write [%s], and its keys in the lines below", key, key)
		}
		if _, list := known["["+key+"]"]; list {
			return fmt.Sprintf("%s is a list of tables: write [[%s]], and its keys in the lines below", key, key)
		}
	}
	if names := known["["+in+"]"]; slices.Contains(names, key) {
		return fmt.Sprintf("write [[%s]], and its keys in the lines below", in)
	}
	if len(known[in]) == 0 {
		return near(in, tableNames(known))
	}
	for name, names := range known {
		if name == in || !slices.Contains(names, key) || slices.ContainsFunc(known[in], func(k string) bool { return distance(k, key) <= 1 }) {
			continue
		}
		if name == "" {
			return fmt.Sprintf("%s belongs to the top of the file, above the first [table]", key)
		}
		return fmt.Sprintf("%s belongs below [%s]", key, name)
	}
	return near(key, known[in])
}

func tableNames(known map[string][]string) []string {
	var names []string
	for name := range known {
		if name != "" {
			names = append(names, strings.Trim(name, "[]"))
		}
	}
	slices.Sort(names)
	return names
}

const noneNear = "remove it; there are "

// near says which of names was meant, or all of them where none is close.
func near(name string, names []string) string {
	best := slices.MinFunc(names, func(a, b string) int { return cmp.Compare(distance(a, name), distance(b, name)) })
	if distance(best, name) <= max(1, len(best)/3) {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return noneNear + strings.Join(names, ", ")
}

// distance is the Levenshtein distance: how many characters to add, remove or
// change to come from a to b.
func distance(a, b string) int {
	if len(b) > 64 { // nobody's slip of the finger
		return len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := left
			if a[i] != b[j] {
				change++
			}
			left = row[j+1]
			row[j+1] = min(change, row[j]+1, left+1)
		}
	}
	return row[len(b)]
}
