package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"lwa-agent/lwa"
)

// call is what became of one request to the token endpoint.
type call struct {
	refused *lwa.Error // nil: it was not refused
	err     error
	tls     *tls.ConnectionState // nil: there was no answer over TLS
	date    time.Time            // the server's clock; zero without an answer
	came    time.Time
	made    bool // there was something to ask for
}

// callAmazon asks for a refresh with a token that was made up, and lets each
// check that asks wait for the answer. That is the one question which says
// whether the server knows this client and its secret, and which can spend
// nothing: a code or a pair would be used up, a real refresh token might be
// replaced by another one.
func (f *facts) callAmazon(ctx context.Context) func() call {
	if f.configErr != nil {
		return func() call { return call{} }
	}
	answer := make(chan call, 1)
	go func() { answer <- f.askForNothing(ctx) }()
	return sync.OnceValue(func() call { return <-answer })
}

func (f *facts) askForNothing(ctx context.Context) call {
	connection := &connectionNoted{next: f.transport()}
	client := lwa.Client{ID: f.cfg.ClientID, Secret: f.cfg.ClientSecret, Endpoints: f.cfg.Endpoints, Transport: connection}
	token, err := client.Refresh(ctx, madeUpToken())
	c := call{made: true, err: err, came: time.Now(), date: token.Date, tls: connection.tls}
	if e, is := errors.AsType[*lwa.Error](err); is {
		c.refused, c.date = e, e.Date
	}
	return c
}

// connectionNoted notes how the server proved who it is. It is for one request.
type connectionNoted struct {
	next http.RoundTripper
	tls  *tls.ConnectionState
}

func (c *connectionNoted) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err == nil {
		c.tls = resp.TLS
	}
	return resp, err
}

func (f *facts) transport() http.RoundTripper {
	t := lwa.NewTransport()
	t.Proxy = f.proxy
	if f.Through != nil {
		return f.Through(t)
	}
	return t
}

// madeUpToken has the form and the length of Amazon's, so that it is looked up
// and not refused for its looks. 1,400 random bits are nobody's.
func madeUpToken() lwa.Secret {
	b := make([]byte, 175)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return lwa.NewSecret("Atzr|" + hex.EncodeToString(b))
}

const seeTLS = "see the lines on proxy, dns and tls"

// checkAmazon says what the server thinks of this client.
func checkAmazon(_ context.Context, f *facts) []Finding {
	c := f.call()
	if !c.made {
		return nil
	}
	return one(c.meaning(f))
}

// meaning judges the answer to a token that was made up.
func (c call) meaning(f *facts) Finding {
	e := c.refused
	switch {
	case e == nil && c.err == nil:
		return warn("nothing; it may be a simulator", "the server gave tokens for a refresh token that was made up")
	case e == nil:
		return fault("see the other lines", "the server could not be asked: %v", c.err)
	case e.Code == "invalid_grant" && f.cfg.ClientSecret.IsZero():
		return ok("the token endpoint knows this client id")
	case e.Code == "invalid_grant":
		return ok("the token endpoint knows this client id and its secret")
	case e.Code == "invalid_request" && e.Parameter == "refresh_token":
		return ok("the token endpoint answers; it said nothing of the client id")
	case e.Parameter == "client_secret" && f.secretHidden:
		return unseen("to try it: sudo lwa-agent doctor", "the token endpoint knows this client id, and wants its secret, which you may not read")
	case e.Kind == lwa.Configuration:
		return fault(e.Hint, "%s", e.Message)
	case e.Code == "clock", e.Code == "tls":
		return unseen(seeTLS, "there was no connection that can be trusted")
	case e.Code == "network" && strings.HasPrefix(e.Message, "cannot find "):
		return unseen("see the line on dns", "the token endpoint could not be asked")
	case e.Code == "timeout":
		return fault("check the network: something on the way may drop what is sent to port 443", "%s", e.Message)
	case e.Code == "network":
		return fault(withoutPromise(e.Hint), "%s", e.Message)
	case e.Code == "not_oauth":
		return fault("if this network has a sign-in page, sign in there, from a phone in the same network", "%s", e.Message)
	case e.Code == "server":
		return warn("wait: it passes, and the link stays", "%s: an outage of the server", e.Message)
	}
	return warn("wait: the agent tries again, and the link stays", "%s, which is no answer that Amazon is known to give", e.Message)
}

// withoutPromise leaves out that the agent tries again: the doctor does not.
func withoutPromise(hint string) string {
	hint, _, _ = strings.Cut(hint, "; it is tried")
	return hint
}

// askSignInPage opens the address that a phone would, as a browser without a
// user: Amazon shows an error page with status 400 where the redirect is not
// among the client's Allowed Return URLs, and leads to the sign-in where it is.
// Nothing is signed in to and the attempt in it is thrown away.
func (f *facts) askSignInPage(ctx context.Context) Finding {
	c := lwa.Client{
		ID: f.cfg.ClientID, Scopes: f.cfg.Scopes, RedirectURI: f.cfg.RedirectURI, Endpoints: f.cfg.Endpoints,
		ProductID: f.cfg.Device.ProductID, SerialNumber: "doctor",
	}
	register := "under \"Allowed Return URLs\" in \"Web settings\", character for character"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.AuthorizeURL(lwa.NewAttempt(f.cfg.RedirectURI)), nil)
	if err != nil {
		return fault("check [endpoints]", "the address of the sign-in page is not valid")
	}
	req.Header.Set("User-Agent", "lwa-agent")
	resp, err := f.transport().RoundTrip(req)
	if err != nil {
		return unseen("register "+f.cfg.RedirectURI+" "+register, "the sign-in page could not be asked whether the redirect is registered")
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a part will do
	switch page := strings.ToLower(string(text)); {
	case resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusNotFound && resp.StatusCode < 500:
		return ok("%s, which the sign-in page does not refuse", f.cfg.RedirectURI)
	case resp.StatusCode == http.StatusBadRequest && strings.Contains(page, "redirect"):
		return fault("register "+f.cfg.RedirectURI+" "+register, "the sign-in page refuses this redirect: it is not registered for the client id")
	case resp.StatusCode == http.StatusBadRequest:
		return fault("copy client_id again, and register "+f.cfg.RedirectURI+" "+register, "the sign-in page refuses this client id, its redirect or its scopes (400)")
	}
	return unseen("register "+f.cfg.RedirectURI+" "+register, "the sign-in page answered %d and did not say whether the redirect is registered", resp.StatusCode)
}
