package movein

import (
	"bytes"
	"errors"
	"strings"
)

func isDump(text []byte) bool {
	for _, begin := range []string{"PRAGMA ", "BEGIN TRANSACTION", "CREATE TABLE", "INSERT INTO"} {
		if bytes.HasPrefix(text, []byte(begin)) {
			return true
		}
	}
	return false
}

// fromDump reads the rows of a dump. The SDK before 1.26 has a table
// refreshToken with one column, later ones a table of keys and values whose name
// ends in LWAAuthorizationStorage. With encryption at rest its values are base64
// of something that only its own key store opens.
func (k *keys) fromDump(text string) error {
	for rest := text; rest != ""; {
		var r row
		r, rest = nextRow(rest)
		switch table := plainName(r.table); {
		case strings.HasSuffix(table, "refreshtoken") && len(r.texts) > 0:
			k.set("refresh_token", r.texts[0])
		case strings.HasSuffix(table, "lwaauthorizationstorage") && len(r.texts) > 1:
			k.set(r.texts[0], r.texts[1])
		}
	}
	switch {
	case k.refresh == "":
		return errors.New("this database holds no refresh token; hand in the one that databaseFilePath of cblAuthDelegate or lwaAuthorization names, of a device that is signed in")
	case !strings.HasPrefix(k.refresh, "Atz"):
		return errors.New("the refresh token in this database is encrypted with a key of the SDK's; link the device instead: lwa-agent link")
	}
	return nil
}

// row is an INSERT of a dump with its values that are texts.
type row struct {
	table string
	texts []string
}

// nextRow returns the next INSERT and what follows its statement. A statement of
// another kind is a row without a table.
func nextRow(s string) (row, string) {
	var r row
	var words []string // before the first parenthesis
	depth := 0
	for s != "" {
		kind, text, rest := nextWord(s)
		s = rest
		switch kind {
		case wordEnd:
			return r.of(words), s
		case wordOpen:
			depth++
		case wordClose:
			depth--
		case wordText:
			if depth == 1 { // deeper it is an argument: sqlite3 writes line breaks by calling replace()
				r.texts = append(r.texts, text)
			}
		case wordName:
			if depth == 0 {
				words = append(words, text)
			}
		case wordOther:
		}
	}
	return r.of(words), ""
}

func (r row) of(words []string) row {
	if len(words) >= 4 && strings.EqualFold(words[0], "insert") && strings.EqualFold(words[1], "into") {
		r.table = words[2]
		return r
	}
	return row{}
}

type wordKind uint8

const (
	wordOther wordKind = iota
	wordName
	wordText
	wordOpen
	wordClose
	wordEnd
)

// nextWord takes one word of SQL off s, which is not empty.
func nextWord(s string) (kind wordKind, text, rest string) {
	switch c := s[0]; {
	case c == '\'':
		text, rest = quoted(s)
		return wordText, text, rest
	case c == '"' || c == '`':
		text, rest = quoted(s)
		return wordName, text, rest
	case c == '(':
		return wordOpen, "", s[1:]
	case c == ')':
		return wordClose, "", s[1:]
	case c == ';':
		return wordEnd, "", s[1:]
	case isNameByte(c):
		n := 1
		for n < len(s) && isNameByte(s[n]) {
			n++
		}
		return wordName, s[:n], s[n:]
	}
	return wordOther, "", s[1:]
}

// quoted takes a quoted text off s, in which the quote is doubled.
func quoted(s string) (text, rest string) {
	quote := s[:1]
	var b strings.Builder
	for s = s[1:]; ; {
		part, after, closed := strings.Cut(s, quote)
		b.WriteString(part)
		if !closed || !strings.HasPrefix(after, quote) {
			return b.String(), after
		}
		b.WriteString(quote)
		s = after[1:]
	}
}

func isNameByte(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
