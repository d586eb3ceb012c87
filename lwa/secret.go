package lwa

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"unique"
)

const redacted = "[secret]"

// Secret is text that must reach no log, error, status or argument list: a
// token, a code, a verifier, a client secret. Every way in which Go prints a
// value gives "[secret]"; only Reveal gives the text, so a search for Reveal
// finds each place where it leaves. Secrets compare with ==.
type Secret struct {
	// Not a string: package fmt calls no method of a value in a field that is
	// not exported, it prints what is in it.
	text unique.Handle[string]
}

// NewSecret wraps text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.text.Value()
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s == Secret{} }

// Hash returns the first 16 bytes of the text's SHA-256 in hexadecimal: enough
// to recognise a secret again, useless for finding it out.
func (s Secret) Hash() string {
	sum := sha256.Sum256([]byte(s.Reveal()))
	return hex.EncodeToString(sum[:16])
}

// String returns "[secret]".
func (s Secret) String() string { return redacted }

// GoString returns "[secret]".
func (s Secret) GoString() string { return redacted }

// Format writes "[secret]" for every verb; without it %x would print the text.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[secret]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[secret]", for JSON, TOML and XML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
