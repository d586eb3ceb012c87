package lwa

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// An Attempt is what one authorize URL was made with and what the code that
// comes back for it has to be exchanged with. It is saved, so that a code is
// still good after a power cut between scan and drop.
type Attempt struct {
	State       string // 128 random bits, 22 base64url characters: against a forged answer (RFC 6749 section 10.12)
	Verifier    Secret // 256 random bits: against an intercepted code (RFC 7636 section 4.1)
	RedirectURI string // as in the authorize request; the token request must repeat it (RFC 6749 section 4.1.3)
}

// NewAttempt makes an attempt from fresh randomness.
func NewAttempt(redirectURI string) Attempt {
	return Attempt{
		State:       randomText(16),
		Verifier:    NewSecret(randomText(32)),
		RedirectURI: redirectURI,
	}
}

// Matches reports whether state is the attempt's own, whatever address of a
// link page Toward put behind it: the page may have moved since.
func (a Attempt) Matches(state string) bool {
	random, _, _ := strings.Cut(state, ".")
	return subtle.ConstantTimeCompare([]byte(a.State), []byte(random)) == 1
}

// Toward returns the attempt with the address of the device's link page behind
// the random part of its state. The server echoes the state (RFC 6749 section
// 4.1.2), so a page at the redirect address can send the browser on to the
// device. "http://" is left out, for a smaller QR code; a "." stands between.
func (a Attempt) Toward(page string) Attempt {
	a.State += "." + strings.TrimPrefix(strings.ToLower(page), "http://")
	return a
}

// challenge is the S256 code challenge (RFC 7636 section 4.2). Amazon takes a
// challenge without a method for "plain", so the method is always sent.
func (a Attempt) challenge() string {
	sum := sha256.Sum256([]byte(a.Verifier.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// AuthorizeURL returns the address a person opens to allow this device. It
// holds the state and no secret.
func (c *Client) AuthorizeURL(a Attempt) string {
	q := url.Values{
		"client_id":             {c.ID},
		"scope":                 {strings.Join(c.Scopes, " ")},
		"response_type":         {"code"},
		"redirect_uri":          {a.RedirectURI},
		"state":                 {a.State},
		"code_challenge":        {a.challenge()},
		"code_challenge_method": {"S256"},
	}
	if data := c.scopeData(); data != "" {
		q.Set("scope_data", data)
	}
	sep := "?"
	if strings.Contains(c.Endpoints.Authorize, "?") {
		sep = "&" // RFC 6749 section 3.1: a query in the endpoint is kept
	}
	return c.Endpoints.Authorize + sep + q.Encode()
}

// scopeData is the JSON that Amazon wants beside the scope alexa:all, and
// nothing for any other scope.
func (c *Client) scopeData() string {
	if !slices.Contains(c.Scopes, "alexa:all") {
		return ""
	}
	type attributes struct {
		Serial string `json:"deviceSerialNumber"`
	}
	type product struct {
		ID         string     `json:"productID"`
		Attributes attributes `json:"productInstanceAttributes"`
	}
	data, _ := json.Marshal(map[string]product{
		"alexa:all": {c.ProductID, attributes{c.SerialNumber}},
	}) // strings always marshal
	return string(data)
}

func randomText(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}
