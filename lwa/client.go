// Package lwa speaks Login with Amazon: the authorize URL, the code exchange,
// the refresh and code-based linking (https://developer.amazon.com/docs/login-with-amazon/).
// Any OAuth 2 server with PKCE works as well.
//
// It promises nothing about retries: each call makes exactly one request, and
// an Error says what its failure means. golang.org/x/oauth2 does not fit here:
// it may post a failed request twice, which burns a code, follows a redirect
// with the secret to another host, and takes a missing expires_in for ever.
package lwa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// CallTimeout ends a call that got no whole answer: from the first look-up
	// to the last byte. Amazon takes 0.3 to 2.2 s when it is well.
	CallTimeout = 30 * time.Second

	dialTimeout = 10 * time.Second
	maxAnswer   = 64 << 10 // bytes; a token answer has about 3,000
)

// A Client makes the calls for one client id. Its fields must not change while
// it is in use; its methods may be called at the same time.
type Client struct {
	ID           string
	Secret       Secret // zero for a public client
	Scopes       []string
	RedirectURI  string
	ProductID    string // sent with the scope alexa:all only
	SerialNumber string // the same
	Endpoints    Endpoints
	Transport    http.RoundTripper // NewTransport's, or a simulator's
}

// NewTransport returns the transport for real calls. It keeps no connection:
// with one call an hour none would be there when it is needed, and a dead one
// would cost a code. HTTP/1.1 only, so that one request is one connection.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		DisableKeepAlives:   true,
		Protocols:           http1(),
		// A compressed answer could unpack to gigabytes.
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswer,
	}
}

func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

func (c *Client) hasScope(scope string) bool { return slices.Contains(c.Scopes, scope) }

// request names what is asked for, in the words of a message.
type request string

const (
	requestExchange request = "code"
	requestRefresh  request = "refresh"
	requestPair     request = "code pair"
	requestPoll     request = "poll"
	requestProfile  request = "profile"
)

func (r request) spent(word string) (message, hint string) {
	switch {
	case r == requestRefresh:
		return "Amazon no longer accepts this device's link: it was removed in the Amazon account", "link the device again"
	case word == "access_denied":
		return "the person who signed in pressed Cancel", "scan the QR code and allow the device"
	case r == requestExchange:
		return "Amazon did not accept the code: it was used before, is older than 5 minutes, or belongs to another QR code", "scan the QR code that is shown now"
	default:
		return "the code on the screen was not used in time", ""
	}
}

// post sends a form and returns the body of a 200 with JSON in it. Everything
// else is an *Error.
func (c *Client) post(ctx context.Context, what request, endpoint string, form url.Values) ([]byte, time.Time, error) {
	body := &sealedBody{text: strings.NewReader(form.Encode())}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, body)
	if err != nil {
		return nil, time.Time{}, &Error{Kind: Configuration, Code: "config", Message: "the address of the server is not valid", Hint: "check [endpoints]", Unsent: true}
	}
	req.ContentLength = body.text.Size()
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(ctx, what, req, body)
}

func (c *Client) do(ctx context.Context, what request, req *http.Request, body *sealedBody) ([]byte, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	req = req.WithContext(ctx)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "lwa-agent")

	// The transport itself, not an http.Client: no redirect is followed, no
	// cookie kept, nothing sent a second time.
	resp, err := c.Transport.RoundTrip(req)
	sent := body.seal()
	if err != nil {
		return nil, time.Time{}, unreachable(err, req.URL.Host, !sent)
	}
	defer resp.Body.Close()
	date, _ := http.ParseTime(resp.Header.Get("Date"))
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		e := unreachable(err, req.URL.Host, false)
		e.Date = date
		return nil, date, e
	}
	if e := judge(resp, answer, what); e != nil {
		e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), date)
		e.Date = date
		return nil, date, e
	}
	return answer, date, nil
}

// judge returns nil for an answer that may hold what was asked for.
func judge(resp *http.Response, answer []byte, what request) *Error {
	notOAuth := func(why string) *Error {
		return &Error{
			Kind: Passing, Code: "not_oauth",
			Message: fmt.Sprintf("%s gave an answer that is not Amazon's (%d, %s)", resp.Request.URL.Host, resp.StatusCode, why),
			Hint:    "if this network has a sign-in page, sign in there; " + byItself,
		}
	}
	switch {
	case len(answer) > maxAnswer:
		return notOAuth("longer than 64 KiB")
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return &Error{Kind: Passing, Code: "server", Message: fmt.Sprintf("%s answered %d", resp.Request.URL.Host, resp.StatusCode), Hint: byItself}
	case !isJSON(resp.Header.Get("Content-Type")):
		return notOAuth("no JSON")
	}
	fields, err := parseAnswer(answer)
	if err != nil {
		return notOAuth(err.Error())
	}
	if word := errorWord(fields); word != "" {
		e := refused(resp.StatusCode, word, fields.text("error_description"), what)
		if resp.StatusCode < http.StatusBadRequest {
			e.Kind = Passing // an error in a success is no proof of anything
		}
		return e
	}
	if resp.StatusCode != http.StatusOK {
		return notOAuth("no error word")
	}
	return nil
}

// errorWord returns the error word of an answer where it is one of the
// protocol's form, so that no other text of a server's reaches a message.
func errorWord(fields object) string {
	word := fields.text("error")
	if len(word) > 40 || bytes.ContainsFunc([]byte(word), func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return "unknown_error"
	}
	return word
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json"))
}

// retryAfter reads seconds or a date, which is compared with the server's own
// clock because ours may be wrong.
func retryAfter(value string, date time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(seconds, 1<<20)) * time.Second
	} else if at, err := http.ParseTime(value); err == nil && !date.IsZero() {
		wait = at.Sub(date)
	} else {
		return 0
	}
	return min(max(wait, time.Second), time.Hour)
}

// sealedBody is a request body that knows whether any of it was read. A body
// that nobody read cannot have been sent; after seal nobody can read it, so
// the answer stays true although a transport may still hold it.
type sealedBody struct {
	text   *strings.Reader
	mu     sync.Mutex
	read   bool
	sealed bool
}

var errSealed = errors.New("the call is over")

func (b *sealedBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return 0, errSealed
	}
	b.read = true
	return b.text.Read(p)
}

func (b *sealedBody) Close() error { return nil }

func (b *sealedBody) seal() (sent bool) {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed = true
	return b.read
}
