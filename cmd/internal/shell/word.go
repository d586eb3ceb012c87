// Package shell writes commands that people copy into theirs.
package shell

import (
	"strings"
	"unicode"
)

// Word is text as one word of a POSIX shell's (XCU section 2.2.2): a path with a
// blank in it would become two, and what came from a stranger's file a command.
func Word(text string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:=,@%+", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
