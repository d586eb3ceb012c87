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
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
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

// request names what is asked for, in the words of a message.
type request string

const (
	requestExchange request = "code"
	requestRefresh  request = "refresh"
	requestPair     request = "code pair"
	requestPoll     request = "poll"
	requestProfile  request = "profile"
)

// post sends a form and returns the JSON object of a 200. Everything else is an
// *Error.
func (c *Client) post(ctx context.Context, what request, endpoint string, form url.Values) (object, time.Time, error) {
	body := &sealedBody{text: strings.NewReader(form.Encode())}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, body)
	if err != nil {
		return nil, time.Time{}, &Error{Kind: Configuration, Code: "config", Message: "the address of the server is not valid", Hint: "check [endpoints]", Unsent: true}
	}
	req.ContentLength = body.text.Size()
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(ctx, what, req, body)
}

func (c *Client) do(ctx context.Context, what request, req *http.Request, body *sealedBody) (object, time.Time, error) {
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
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		e := unreachable(err, req.URL.Host, false)
		e.Date = date
		return nil, date, e
	}
	answer, e := judge(resp, text, what)
	if e != nil {
		e.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), date)
		e.Date = date
		return nil, date, e
	}
	return answer, date, nil
}
