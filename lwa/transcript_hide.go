package lwa

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
)

// hider hides what is in one answer.
type hider struct {
	*Transcript
	secrets []string // of the request: a server may send back what it got
}

// plain is a text that may stay as it is: short, printable, and no part of it a
// secret of the request.
func (h hider) plain(text string) bool {
	if len(text) > 300 || !isVisible(strings.ReplaceAll(text, " ", "_")) {
		return false
	}
	for _, s := range h.secrets {
		if len(s) >= 4 && strings.Contains(text, s) {
			return false
		}
	}
	return true
}

func (h hider) header(all http.Header) map[string]string {
	kept := map[string]string{}
	for name := range all {
		value := all.Get(name)
		switch name {
		case "Content-Type", "Date", "Retry-After", "Cache-Control", "Pragma":
			if media, _, _ := strings.Cut(value, ";"); name == "Content-Type" && !h.plain(value) {
				value = media // which decides how it is read
			}
			if !h.plain(value) {
				value = h.hide("header", value)
			}
		case "Location":
			u, err := url.Parse(value)
			if err != nil || !h.plain(u.Host) {
				u = &url.URL{}
			}
			value = (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
		case "X-Amzn-Requestid":
			value = h.hide("request_id", value)
		default:
			continue
		}
		kept[name] = value
	}
	return kept
}

// body hides the texts in JSON and leaves all else of it as it came: blanks,
// order, doubled keys, the form of numbers. Whatever is not JSON, such as the
// page of a captive portal, is hidden as a whole.
func (h hider) body(text []byte) string {
	var out strings.Builder
	var key string
	rest := string(text)
	if !strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), "{") {
		return h.opaque(rest)
	}
	for rest != "" {
		next := strings.IndexByte(rest, '"')
		if next < 0 {
			next = len(rest)
		}
		between := rest[:next]
		if strings.Trim(between, " \t\r\n{}[]:,0123456789+-.eEtrufalsn") != "" {
			return h.opaque(string(text))
		}
		out.WriteString(between)
		if rest = rest[next:]; rest == "" {
			break
		}
		literal, text, whole := firstLiteral(rest)
		after := rest[len(literal):]
		switch {
		case !whole:
			out.WriteString(`"` + h.opaque(literal[1:]))
		case strings.HasPrefix(strings.TrimLeft(after, " \t\r\n"), ":"):
			key = text
			if word(key) != key {
				text = h.hide("name", key)
				literal = quoted(text)
			}
			out.WriteString(literal)
		case h.keeps(key, text):
			out.WriteString(literal)
		default:
			out.WriteString(quoted(h.hide(key, text)))
		}
		rest = after
	}
	return out.String()
}

// firstLiteral is the JSON string at the start of rest, and what it says; of one
// that does not end, all there is.
func firstLiteral(rest string) (literal, text string, whole bool) {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			literal = rest[:i+1]
			return literal, text, json.Unmarshal([]byte(literal), &text) == nil
		}
	}
	return rest, "", false
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a string always marshals
	return string(b)
}

func (h hider) opaque(text string) string {
	if text == "" {
		return ""
	}
	return h.hide("body", text)
}

// keeps reports whether the text of a member of an answer is the protocol's own.
func (h hider) keeps(key, text string) bool {
	switch key {
	case "error":
		return isErrorWord(text) && h.plain(text)
	case "token_type", "scope":
		return h.plain(text)
	case "expires_in", "interval":
		return len(text) < 20 && strings.Trim(text, "0123456789. +-") == ""
	case "verification_uri":
		return h.plain(text) && !strings.Contains(text, "?")
	case "error_description": // a server of another kind might quote something
		for w := range strings.FieldsSeq(text) {
			if len(w) > 24 || strings.Contains(w, "@") {
				return false
			}
		}
		return h.plain(text)
	}
	return false
}

// failure names why there is no whole answer, in words that hold nothing of
// what was sent, and that lwatest makes the same kind of error of.
func failure(err error) string {
	errno, isErrno := errors.AsType[syscall.Errno](err)
	cert, certErr := errors.AsType[x509.CertificateInvalidError](err)
	_, isDNS := errors.AsType[*net.DNSError](err)
	netErr, isNet := errors.AsType[net.Error](err)
	_, isName := errors.AsType[x509.HostnameError](err)
	_, isAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, isCert := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case certErr && cert.Reason == x509.Expired:
		return "certificate_time"
	case isName:
		return "certificate_name"
	case isAuthority:
		return "certificate_authority"
	case isCert:
		return "certificate"
	case isDNS:
		return "dns"
	case isNet && netErr.Timeout():
		return "timeout"
	case isErrno:
		return "errno " + errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "not_https"
	default:
		return "other"
	}
}

// heardBody notes what is read of a request's body, and so what was sent. The
// transport may go on reading after it has returned.
type heardBody struct {
	from io.ReadCloser
	mu   sync.Mutex
	text []byte
}

func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p[:n]...)
	return n, err
}

func (b *heardBody) Close() error { return b.from.Close() }

func (b *heardBody) heard() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

// heldBody is an answer's body that was read already.
type heldBody struct {
	io.Reader
	io.Closer
}

// failing is the end of a body: with an error where there was one.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}
