package lwa

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A Transcript writes down what goes to a server and what comes back, one line
// of JSON for each request, so that an answer of the real Amazon to a real
// device can be shown to others and become a test (lwatest.ReadTranscript).
//
// Only what is known to be harmless is written as it is: the protocol's own
// words, numbers, the names of parameters. Every other text is replaced by what
// it is, its length in bytes and four bytes of a hash, as in
// Atzr|[refresh_token 364 1f0c5a6e]; see hide. The hash is keyed with bytes that
// are thrown away with the Transcript: the same text has the same hash within
// one, and nobody finds a short one, such as a name, by trying all there are.
type Transcript struct {
	key [32]byte

	mu  sync.Mutex // guards what follows
	out io.Writer
	err error
}

// NewTranscript writes to out. It holds no secret.
func NewTranscript(out io.Writer) *Transcript {
	t := &Transcript{out: out}
	_, _ = rand.Read(t.key[:]) // never fails (crypto/rand)
	return t
}

// Err returns why the transcript is not whole; nil if it is.
func (t *Transcript) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Through returns next with everything that goes through it written down.
func (t *Transcript) Through(next http.RoundTripper) http.RoundTripper {
	return transcribed{t, next}
}

type transcribed struct {
	transcript *Transcript
	next       http.RoundTripper
}

// spoken is a line of a transcript. Its form is read by lwatest.
type spoken struct {
	At     string      `json:"at"`      // RFC 3339
	Took   int64       `json:"took_ms"` // until the last byte
	Method string      `json:"method"`
	URL    string      `json:"url"` // without its query
	Query  [][2]string `json:"query,omitempty"`
	Bearer string      `json:"bearer,omitempty"`
	Form   [][2]string `json:"form,omitempty"`
	Unsent bool        `json:"unsent,omitempty"` // no byte of a form went out

	Status int               `json:"status,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
	Failed string            `json:"failed,omitempty"` // why there is no answer, or only the beginning of one
}

// RoundTrip implements http.RoundTripper. The answer is read whole before it is
// handed on, up to one byte more than a Client reads.
func (t transcribed) RoundTrip(req *http.Request) (*http.Response, error) {
	began := time.Now()
	sent := &heardBody{}
	outgoing := req
	if req.Body != nil {
		outgoing = req.Clone(req.Context())
		sent.from = req.Body
		outgoing.Body = sent
	}
	resp, err := t.next.RoundTrip(outgoing)
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
		resp.Body = heldBody{io.MultiReader(bytes.NewReader(text), failing{err}), resp.Body}
		resp.Request = req
	}
	t.transcript.write(t.transcript.line(req, sent, resp, text, err, began))
	if resp != nil {
		return resp, nil // with the error behind the text
	}
	return nil, err
}

func (t *Transcript) line(req *http.Request, sent *heardBody, resp *http.Response, text []byte, err error, began time.Time) spoken {
	form, secrets := t.parameters(sent.heard())
	query, more := t.parameters(req.URL.RawQuery)
	h := hider{t, append(secrets, more...)}
	s := spoken{
		At: began.UTC().Format(time.RFC3339), Took: time.Since(began).Milliseconds(),
		Method: req.Method, URL: (&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}).String(),
		Query: query, Form: form, Unsent: req.Body != nil && len(form) == 0 && err != nil,
	}
	if _, token, is := strings.Cut(req.Header.Get("Authorization"), "Bearer "); is {
		s.Bearer = t.hide("access_token", token)
		h.secrets = append(h.secrets, token)
	}
	if resp != nil {
		s.Status, s.Header, s.Body = resp.StatusCode, h.header(resp.Header), h.body(text)
	}
	if err != nil {
		s.Failed = failure(err)
	}
	return s
}

func (t *Transcript) write(s spoken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var line bytes.Buffer
	to := json.NewEncoder(&line)
	to.SetEscapeHTML(false) // it is read by people, too
	err := to.Encode(s)
	if err == nil {
		_, err = t.out.Write(line.Bytes())
	}
	if t.err == nil && err != nil {
		t.err = fmt.Errorf("the transcript is not whole: %w", err)
	}
}

// hide replaces a text by its kind, its length in bytes and a hash. The
// beginning that all of its kind have in common stays.
func (t *Transcript) hide(kind, text string) string {
	mac := hmac.New(sha256.New, t.key[:])
	mac.Write([]byte(text))
	return fmt.Sprintf("%s[%s %d %s]", commonPrefix(text), word(kind), len(text), hex.EncodeToString(mac.Sum(nil)[:4]))
}

func commonPrefix(text string) string {
	for _, p := range []string{"Atza|", "Atzr|", "Atna|", "Atnr|", "amzn1.application-oa2-client.", "amzn1.oa2-cs.v1.", "amzn1.account."} {
		if strings.HasPrefix(text, p) {
			return p
		}
	}
	return ""
}

// word is a name that is one of a protocol's, or "value".
func word(name string) string {
	if name == "" || len(name) > 30 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "value"
	}
	return name
}

// parameters hides the values of a form or of a query, but for those that are
// the same for everybody or stand in the developer's console. It returns what
// it hid, too.
func (t *Transcript) parameters(raw string) (all [][2]string, secrets []string) {
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if name == "" {
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		switch name {
		case "grant_type", "response_type", "scope", "redirect_uri", "code_challenge_method":
		default:
			secrets = append(secrets, value)
			value = t.hide(name, value)
		}
		all = append(all, [2]string{word(name), value})
	}
	return all, secrets
}
