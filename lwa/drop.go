package lwa

import (
	"net/url"
	"slices"
	"strings"
)

const (
	// StateLength is the length of a state that NewAttempt makes: 128 bits in
	// base64url without padding. An address with a shorter one is not from us,
	// or not written to its end yet.
	StateLength = 22

	// MaxDrop is the most bytes that a text handed in may have: twice the
	// longest redirect with the longest code.
	MaxDrop = 4096

	minCode, maxCode = 10, 2048 // characters of a code; Amazon documents 18 to 128
)

// Drop is what a person or a program handed in after signing in: a code, or
// Amazon's word that there is none.
type Drop struct {
	Code  Secret // zero if and only if Error is set
	State string // as it came back; empty where the text had none, as a bare code

	// Error is the error word of RFC 6749 section 4.1.2.1, such as
	// "access_denied" for a person who pressed Cancel. It and ErrorDescription
	// come from whoever wrote the text; they hold printable characters only, at
	// most 64 and 300.
	Error            string
	ErrorDescription string

	// Address tells that the text was an address or a query, of which the end
	// can be missing without being missed.
	Address bool
}

// DropError is why a text is not what we need. It holds no part of the text.
type DropError struct {
	Message string // what is wrong with it
	Hint    string // what to do
}

func (e *DropError) Error() string { return e.Message + "; " + e.Hint }

const (
	copyAgain   = "copy the whole address again that the browser shows after signing in"
	codeOrWhole = "hand in the code alone, or the whole address that the browser shows after signing in"
)

func badDrop(message, hint string) error { return &DropError{message, hint} }

// ParseDrop reads what people and programs hand in: a bare code, the whole
// redirect address, its query alone, code=… or CODE="…", or JSON with "code"
// and perhaps "state". Byte order marks, UTF-16 from Windows, line ends,
// quotation marks and blanks around are taken away. A bare code is one word of
// 10 to 2,048 visible ASCII characters. Parameters that are not ours are
// ignored, "iss" of RFC 9207 among them.
//
// Every error is a *DropError.
func ParseDrop(text []byte) (Drop, error) {
	if len(text) > MaxDrop {
		return Drop{}, badDrop("the text is larger than 4 KiB", codeOrWhole)
	}
	return parseText(strings.TrimSpace(plainText(text)))
}

func parseText(s string) (Drop, error) {
	if strings.HasPrefix(s, `{\rtf`) {
		return Drop{}, badDrop("the text is a document of a word processor (RTF)", "save it as plain text")
	}
	if strings.HasPrefix(s, "{") {
		return parseJSON(s)
	}
	if key, value, isSet := strings.Cut(s, "="); isSet && strings.EqualFold(strings.TrimSpace(key), "code") {
		return parseAssigned(strings.TrimSpace(value))
	}
	inner, quoted, err := unquote(s)
	if err != nil {
		return Drop{}, err
	}
	if !quoted {
		return parseWord(s)
	}
	d, err := parseText(inner)
	d.Address = false // the quotation mark behind it proves that it is whole
	return d, err
}

func parseAssigned(value string) (Drop, error) {
	value, quoted, err := unquote(value)
	switch {
	case err != nil:
		return Drop{}, err
	case isAddress(value):
		d, err := parseWord(value)
		d.Address = d.Address && !quoted
		return d, err
	case quoted:
		return wholeCode(value) // as in a shell or in TOML: the text itself, not form-encoded
	default:
		d, err := parseWord("code=" + value)
		d.Address = d.Address && strings.Contains(value, "&") // alone it is an assignment, and whole
		return d, err
	}
}

// parseWord reads an address, a query or a bare code.
func parseWord(s string) (Drop, error) {
	if strings.Contains(s, " ") {
		return Drop{}, badDrop("the text is more than one word", codeOrWhole+", on one line")
	}
	s = strings.TrimLeft(s, "?&") // copied with what stands before it
	if hasParameter(firstParameter(s)) {
		return parseQuery(s)
	}
	if _, query, found := strings.Cut(s, "?"); found && (isAddress(s) || hasParameter(query)) {
		return parseQuery(query)
	}
	switch {
	case isAddress(s):
		return Drop{}, errNoCode()
	case !hasParameter(s):
		return bareCode(s)
	case !strings.Contains(firstParameter(s), "="):
		return parseQuery("code=" + s) // copied from behind "code="
	default:
		return parseQuery(s)
	}
}

// isAddress reports whether s begins like one, of a browser (with "http" alone
// it may be half written) or of an app (RFC 3986 section 3.1).
func isAddress(s string) bool {
	if len(s) >= 4 && strings.EqualFold(s[:4], "http") {
		return true
	}
	scheme, _, found := strings.Cut(strings.TrimPrefix(s, "<"), "://")
	return found && strings.IndexFunc(scheme, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("+-.", r)
	}) < 0
}

func firstParameter(query string) string {
	first, _, _ := strings.Cut(query, "&")
	return first
}

// hasParameter reports whether s is the query of a redirect, whole or in part;
// without it "state=…" would pass for a bare code.
func hasParameter(s string) bool {
	for part := range strings.SplitSeq(s, "&") {
		key, _, isSet := strings.Cut(part, "=")
		if isSet && slices.Contains([]string{"code", "state", "scope", "iss", "error", "error_description", "error_uri"}, key) {
			return true
		}
	}
	return false
}

// parseQuery reads form-encoded parameters (RFC 6749 section 4.1.2). A "+" in
// a code or state stays one: as a blank it could only be wrong.
func parseQuery(query string) (Drop, error) {
	query, _, _ = strings.Cut(query, "#")
	found := answerParts{}
	for part := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(part, "=")
		decode := url.PathUnescape
		switch key {
		case "code", "state":
		case "error", "error_description":
			decode = url.QueryUnescape
		default:
			continue
		}
		text, err := decode(value)
		if err != nil {
			return Drop{}, badDrop("the address has a % that is not followed by two hexadecimal digits", copyAgain)
		}
		if err := found.set(key, text); err != nil {
			return Drop{}, err
		}
	}
	d, err := found.drop()
	d.Address = err == nil
	return d, err
}

// answerParts are the parameters of an answer, decoded.
type answerParts map[string]string

func (p answerParts) set(key, value string) error {
	if old, again := p[key]; again && old != value {
		return errTwice(key)
	}
	p[key] = value
	return nil
}

func (p answerParts) drop() (Drop, error) {
	code, state := p["code"], p["state"]
	if !isVisible(state) {
		return Drop{}, badDrop("the state holds characters that no state of ours has", copyAgain)
	}
	if word := printable(p["error"], 64); word != "" {
		if code != "" {
			return Drop{}, badDrop("the text has both a code and an error", copyAgain)
		}
		return Drop{State: state, Error: word, ErrorDescription: printable(p["error_description"], 300)}, nil
	}
	if code == "" {
		return Drop{}, errNoCode()
	}
	d, err := wholeCode(code)
	if err == nil {
		d.State = state
	}
	return d, err
}

// bareCode takes a word for a code that nothing says is one.
func bareCode(word string) (Drop, error) {
	switch {
	case word != "" && strings.IndexByte("<[{", word[0]) >= 0:
		return Drop{}, badDrop("the text is neither a code nor an address", codeOrWhole)
	case word != "" && len(word) < minCode && isVisible(word) && !isAddress(word):
		return Drop{}, badDrop("the code is shorter than 10 characters", codeOrWhole)
	case len(word) > maxCode:
		return Drop{}, badDrop("the code is longer than 2,048 characters", codeOrWhole)
	}
	return wholeCode(word)
}

// wholeCode takes a code of any length up to MaxDrop: what stands before it says
// that it is one, and servers differ.
func wholeCode(code string) (Drop, error) {
	switch {
	case code == "":
		return Drop{}, badDrop("there is no text", codeOrWhole)
	case strings.Contains(code, " "):
		return Drop{}, badDrop("the code is more than one word", codeOrWhole)
	case !isVisible(code):
		return Drop{}, badDrop("the text holds characters that no code has", codeOrWhole)
	case isAddress(code):
		return Drop{}, errNoCode()
	}
	return Drop{Code: NewSecret(code)}, nil
}

func errNoCode() error {
	return badDrop("the address has no code in it", "hand in the address that the browser shows after signing in, not one from before")
}

func errTwice(key string) error {
	return badDrop("the text has two different values for "+key, copyAgain)
}
