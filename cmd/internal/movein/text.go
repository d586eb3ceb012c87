package movein

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// deepest is how far down an object is looked into. respeaker's keys are at the
// top, the SDK's one below.
const deepest = 4

func (k *keys) fromJSON(text []byte) error {
	var all any
	if err := json.Unmarshal(withoutComments(text), &all); err != nil {
		return errors.New("that is no whole JSON; copy all of it, from the first { to the last }")
	}
	k.walk(all, 0)
	return nil
}

func (k *keys) walk(v any, depth int) {
	object, is := v.(map[string]any)
	if !is || depth > deepest {
		return
	}
	for name, v := range object {
		if text, is := v.(string); is {
			k.set(name, strings.TrimSpace(text))
			continue
		}
		k.walk(v, depth+1)
	}
}

// withoutComments removes lines that are comments: the SDK's configuration is
// JSON with those.
func withoutComments(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("//")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

// fromLines reads "key: value" and "key = value", a line each: of YAML,
// Python's assignments and the shell's that is all these programs write.
func (k *keys) fromLines(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "export ")
		at := strings.IndexAny(line, ":=")
		if at < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		k.set(strings.Trim(strings.TrimSpace(line[:at]), `"'`), value(strings.TrimSpace(line[at+1:])))
	}
}

// isAssignment reports whether one word is a line with a key: a bare token may
// hold an = as well.
func isAssignment(word string) bool {
	at := max(0, strings.IndexAny(word, ":="))
	return plainName(word[:at]) == "refreshtoken" || plainName(word[:at]) == "accesstoken"
}

// value takes the quotes off, or else a comment.
func value(s string) string {
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		text, _, closed := strings.Cut(s[1:], s[:1])
		if !closed {
			return s // not a token: a quote is refused
		}
		return strings.TrimSpace(text)
	}
	if at := strings.Index(s, " #"); at >= 0 || strings.HasPrefix(s, "#") {
		s = s[:max(at, 0)]
	}
	return strings.TrimSpace(s)
}
