package agent

import (
	"strings"
	"unicode"
)

// ShellWord is text as one word of a POSIX shell's (XCU section 2.2.2), for commands
// that people copy: a path with a blank in it would become two, and what came from a
// stranger's file a command.
func ShellWord(text string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:=,@%+", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// shellWord is a path for messages, where a name that cannot be printed, whoever made
// it up, does not belong.
func shellWord(path string) string {
	if printablePath(path) != path {
		return "FILE"
	}
	return ShellWord(path)
}
