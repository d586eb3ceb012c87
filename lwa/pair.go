package lwa

import (
	"context"
	"net/url"
	"strings"
	"time"
)

const (
	minInterval = 5 * time.Second  // asked for by RFC 8628 section 3.2 where nothing is said
	maxInterval = 60 * time.Second // slow_down doubles up to here

	defaultPairLife = 10 * time.Minute
	maxPairLife     = time.Hour
)

// A Pair is one offer of code-based linking: the device code is polled with,
// the user code is what the person sees and types.
type Pair struct {
	DeviceCode      Secret
	UserCode        string
	VerificationURI string
	Interval        time.Duration // between polls: 5 to 60 s
	Life            time.Duration // from the moment the request was sent: at most 1 h
	Date            time.Time     // the server's clock; zero without a Date header
}

// CodePair asks for a pair. Amazon's form of it resembles RFC 8628 section 3.1
// but says response_type=device_code and takes no secret.
func (c *Client) CodePair(ctx context.Context) (Pair, error) {
	form := url.Values{
		"response_type": {"device_code"},
		"client_id":     {c.ID},
		"scope":         {strings.Join(c.Scopes, " ")},
	}
	if data := c.scopeData(); data != "" {
		form.Set("scope_data", data)
	}
	answer, date, err := c.post(ctx, requestPair, c.Endpoints.CodePair, form)
	if err != nil {
		return Pair{}, err
	}
	p := Pair{
		DeviceCode:      NewSecret(answer.text("device_code")),
		UserCode:        answer.text("user_code"),
		VerificationURI: answer.text("verification_uri"),
		Interval:        min(max(answer.seconds("interval"), minInterval), maxInterval),
		Life:            min(answer.seconds("expires_in"), maxPairLife),
		Date:            date,
	}
	if p.Life <= 0 {
		p.Life = defaultPairLife
	}
	page, err := url.Parse(p.VerificationURI)
	if !visible(p.DeviceCode.Reveal(), maxToken) || !visible(p.UserCode, 40) || err != nil || page.Host == "" || !visible(p.VerificationURI, 200) {
		return Pair{}, &Error{Kind: Passing, Code: "not_oauth", Message: "the server's answer holds no code pair", Hint: byItself, Date: date}
	}
	return p, nil
}

// Poll asks once whether the person has allowed the device. Amazon wants the
// bare grant type device_code, the user code beside it, and no client id.
func (c *Client) Poll(ctx context.Context, p Pair) (Token, error) {
	return c.token(ctx, requestPoll, url.Values{
		"grant_type":  {"device_code"},
		"device_code": {p.DeviceCode.Reveal()},
		"user_code":   {p.UserCode},
	})
}

// SlowedDown returns the interval to use after slow_down.
func SlowedDown(interval time.Duration) time.Duration {
	return min(2*interval, maxInterval)
}
