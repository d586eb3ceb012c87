package config

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A document is a TOML file taken apart into single values, each with its
// line. Decoding into a struct would stop at the first value of a wrong type,
// and a person would learn of one mistake per start.
type document struct {
	values map[string]value // by path, as in "client_id", "device.product_id", "display[0].driver"
	tables []table          // headers and inline tables, in the order of the file
	count  map[string]int   // how many elements a list of tables has
}

type value struct {
	in    string // path of the table
	key   string
	line  int
	kind  unstable.Kind
	text  string         // of a String or a number
	items []value        // of an Array
	raw   unstable.Range // where a String stands in the file, with its quotes
}

type table struct {
	line int
	path string
	name string // the path without numbers
	list bool   // an element of a list of tables
}

// readDocument parses text. An error is the place where text is no TOML.
func readDocument(file string, text []byte) (document, *Problem) {
	d := document{values: map[string]value{}, count: map[string]int{}}
	var p unstable.Parser
	p.Reset(text)
	var starts, lines []int // of the expressions
	in := ""
	for p.NextExpression() {
		e := p.Expression()
		keys, at := keyOf(e)
		line := p.Shape(at).Start.Line
		starts, lines = append(starts, int(at.Offset)), append(lines, line)
		if e.Kind == unstable.KeyValue {
			d.add(&p, in, keys, e.Value(), line)
		} else {
			in = d.table(keys, line, e.Kind == unstable.ArrayTable)
		}
	}
	// The parser lets pass what only the whole document shows: keys that are
	// set twice, tables that are also values.
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		return d, broken(file, text, starts, lines, err)
	}
	return d, nil
}

func broken(file string, text []byte, starts, lines []int, err error) *Problem {
	// The message quotes the file, with whatever is in it.
	message := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimPrefix(err.Error(), "toml: "))
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := decode.Position()
		what := fmt.Sprintf("column %d: %s", column, message)
		cure := `a line reads key = "text", with the quotes, or [table]`
		if _, after, found := bytes.Cut(lineOf(text, line), []byte("=")); found && len(bytes.TrimSpace(before(after, "#"))) == 0 {
			what, cure = fmt.Sprintf("column %d: the value is missing", column), "write one after the =, or remove the line"
		} else if message == "incomplete number" || strings.HasPrefix(message, "expected '") {
			what = fmt.Sprintf("column %d: no value that TOML knows", column)
		}
		return &Problem{file, line, what, cure, nil}
	}
	// No position: the first expression with which the document is wrong.
	n := sort.Search(len(starts), func(i int) bool {
		end := len(text)
		if i+1 < len(starts) {
			end = bytes.LastIndexByte(text[:starts[i+1]], '\n') + 1
		}
		var all map[string]any
		return toml.Unmarshal(text[:end], &all) != nil
	})
	if n < len(lines) {
		return &Problem{file, lines[n], message, "remove one of the two", nil}
	}
	return &Problem{file, 1, message, "correct it", nil}
}

func lineOf(text []byte, line int) []byte {
	for range line - 1 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return before(text, "\n")
}

func before(text []byte, mark string) []byte {
	head, _, _ := bytes.Cut(text, []byte(mark))
	return head
}

// keyOf returns the parts of an expression's key and where it stands.
func keyOf(e *unstable.Node) (keys []string, at unstable.Range) {
	for it := e.Key(); it.Next(); {
		if len(keys) == 0 {
			at = it.Node().Raw
		}
		keys = append(keys, string(it.Node().Data))
	}
	return keys, at
}

// table enters a header. Below a list of tables, a header means its last element.
func (d *document) table(keys []string, line int, list bool) (path string) {
	for i, key := range keys {
		path = join(path, []string{key})
		name := path
		if last := i == len(keys)-1; last && list {
			d.count[name]++
		}
		if n := d.count[name]; n > 0 {
			path = fmt.Sprintf("%s[%d]", name, n-1)
		}
	}
	d.tables = append(d.tables, table{line: line, path: path, name: withoutNumbers(path), list: list})
	return path
}

func (d *document) add(p *unstable.Parser, in string, keys []string, n *unstable.Node, line int) {
	in = join(in, keys[:len(keys)-1])
	path := join(in, keys[len(keys)-1:])
	switch {
	case n.Kind == unstable.InlineTable:
		d.tables = append(d.tables, table{line: line, path: path, name: withoutNumbers(path)})
		d.inline(p, path, n)
	case n.Kind == unstable.Array && n.Child() != nil && allTables(n):
		for i, it := 0, n.Children(); it.Next(); i++ {
			d.count[path]++
			element := fmt.Sprintf("%s[%d]", path, i)
			d.tables = append(d.tables, table{line: line, path: element, name: withoutNumbers(path), list: true})
			d.inline(p, element, it.Node())
		}
	default:
		v := valueOf(n, line)
		v.in, v.key = in, keys[len(keys)-1]
		d.values[path] = v
	}
}

func (d *document) inline(p *unstable.Parser, path string, n *unstable.Node) {
	for it := n.Children(); it.Next(); {
		keys, at := keyOf(it.Node())
		d.add(p, path, keys, it.Node().Value(), p.Shape(at).Start.Line)
	}
}

func allTables(n *unstable.Node) bool {
	for it := n.Children(); it.Next(); {
		if it.Node().Kind != unstable.InlineTable {
			return false
		}
	}
	return true
}

func valueOf(n *unstable.Node, line int) value {
	v := value{line: line, kind: n.Kind}
	switch n.Kind {
	case unstable.String:
		v.text, v.raw = string(n.Data), n.Raw
	case unstable.Integer, unstable.Float:
		v.text = string(n.Data)
	case unstable.Array:
		for it := n.Children(); it.Next(); {
			v.items = append(v.items, valueOf(it.Node(), line))
		}
	}
	return v
}

// join makes a path. A key with characters that TOML wants in quotes is quoted
// here too, so that "device.product_id" in quotes is not taken for the real one.
func join(path string, keys []string) string {
	for _, key := range keys {
		if key == "" || strings.ContainsFunc(key, func(r rune) bool {
			return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			key = strconv.Quote(key)
		}
		if path != "" {
			path += "."
		}
		path += key
	}
	return path
}

// withoutNumbers turns "display[3].driver" into "display.driver".
func withoutNumbers(path string) string {
	for {
		head, rest, found := strings.Cut(path, "[")
		if !found {
			return path
		}
		_, tail, found := strings.Cut(rest, "]")
		if !found {
			return path
		}
		path = head + tail
	}
}
