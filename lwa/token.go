package lwa

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// A missing or senseless expires_in is taken for this, so that the token is
	// used at all and renewed soon.
	defaultLife = 5 * time.Minute
	// MaxLife is the longest that a token is believed to live, whatever the server says.
	MaxLife = 24 * time.Hour

	maxToken = 16 << 10 // bytes; Amazon's have at most 2,048, others put whole documents into theirs
)

// A Token is the answer to an exchange, a refresh or a poll that succeeded.
// Tokens compare with ==.
type Token struct {
	Access  Secret
	Refresh Secret        // zero where the answer has none: after a refresh the old one stays good
	Life    time.Duration // from the moment the request was sent: 1 ns to 24 h
	Scopes  string        // as granted, separated by blanks; empty: as asked for (RFC 6749 section 5.1)
	Date    time.Time     // the server's clock; zero without a Date header
}

// Exchange trades an authorization code for tokens (RFC 6749 section 4.1.3
// with RFC 7636 section 4.5). A code is good once: unless the *Error says
// Unsent, it must never be sent again.
func (c *Client) Exchange(ctx context.Context, code Secret, a Attempt) (Token, error) {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code.Reveal()},
		"redirect_uri":  {a.RedirectURI},
		"code_verifier": {a.Verifier.Reveal()},
	}
	c.identify(form)
	t, err := c.token(ctx, requestExchange, form)
	if e, is := errors.AsType[*Error](err); is && e.Kind == Passing && !e.Unsent {
		before, _, _ := strings.Cut(e.Hint, byItself)
		e.Hint = before + "a code is good once, so scan the QR code again"
	}
	return t, err
}

// Refresh gets a new access token (RFC 6749 section 6).
func (c *Client) Refresh(ctx context.Context, refresh Secret) (Token, error) {
	form := url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refresh.Reveal()},
	}
	c.identify(form)
	return c.token(ctx, requestRefresh, form)
}

func (c *Client) identify(form url.Values) {
	form.Set("client_id", c.ID)
	if !c.Secret.IsZero() {
		form.Set("client_secret", c.Secret.Reveal())
	}
}

func (c *Client) token(ctx context.Context, what request, form url.Values) (Token, error) {
	answer, date, err := c.post(ctx, what, c.Endpoints.Token, form)
	if err != nil {
		return Token{}, err
	}
	t := Token{
		Access:  NewSecret(answer.text("access_token")),
		Refresh: NewSecret(answer.text("refresh_token")),
		Life:    answer.life("expires_in"),
		Scopes:  answer.text("scope"),
		Date:    date,
	}
	kind := answer.text("token_type")
	switch {
	case !visible(t.Access.Reveal(), maxToken):
		return Token{}, &Error{Kind: Passing, Code: "not_oauth", Message: "the server's answer holds no access token", Hint: byItself, Date: date}
	case !t.Refresh.IsZero() && !IsRefreshToken(t.Refresh.Reveal()):
		return Token{}, &Error{Kind: Passing, Code: "not_oauth", Message: "the server's answer holds a damaged refresh token", Hint: byItself, Date: date}
	case kind != "" && !strings.EqualFold(kind, "bearer"):
		return Token{}, &Error{Kind: Configuration, Code: "token_type", Message: "the server gives tokens of another type than bearer", Hint: "set the client to bearer tokens at the server", Date: date}
	case t.Refresh.IsZero() && what != requestRefresh:
		return Token{}, noRefreshToken(date)
	}
	return t, nil
}

func noRefreshToken(date time.Time) *Error {
	return &Error{
		Kind: Configuration, Code: "no_refresh_token", Date: date,
		Message: "the answer holds no refresh token, so the link would end within the hour",
		Hint:    `a client id from "Web settings" of Amazon's console needs client_secret_file (sudo lwa-agent setup writes it); other servers may want a scope such as offline_access`,
	}
}

// Profile returns the name of the account that gave the access token, or its
// e-mail address, or its user id, whichever the granted scopes show first.
func (c *Client) Profile(ctx context.Context, access Secret) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Endpoints.Profile, nil)
	if err != nil {
		return "", &Error{Kind: Configuration, Code: "config", Message: "the address of the profile is not valid", Hint: "check [endpoints]"}
	}
	req.Header.Set("Authorization", "Bearer "+access.Reveal())
	answer, _, err := c.do(ctx, requestProfile, req, nil)
	if err != nil {
		return "", err
	}
	for _, key := range []string{"name", "email", "user_id", "sub"} {
		if text := displayName(answer.text(key)); text != "" {
			return text, nil
		}
	}
	return "", nil
}
