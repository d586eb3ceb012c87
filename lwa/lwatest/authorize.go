package lwatest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// asked is an authorize request that may be shown to the person.
type asked struct {
	client      Client
	scopes      string
	redirectURI string
	state       string
	challenge   string
	product     string // of alexa:all, for the page
	serial      string
	issuer      string
}

// back is the answer that sends the browser back with an error. Amazon puts the
// description first.
func (q asked) back(word, description string) *answer {
	text := "error_description=" + url.QueryEscape(description)
	if q.state != "" {
		text += "&state=" + url.QueryEscape(q.state)
	}
	a := redirect(q.with(text + "&error=" + word))
	return &a
}

func (q asked) with(query string) string {
	if q.issuer != "" {
		query += "&iss=" + url.QueryEscape(q.issuer)
	}
	if strings.Contains(q.redirectURI, "?") {
		return q.redirectURI + "&" + query
	}
	return q.redirectURI + "?" + query
}

// check judges an authorize request. What is wrong with the client or its
// address is shown on a page with status 400; all else goes back by redirect.
func (s *Sim) check(in incoming) (asked, *answer) {
	f := in.form
	q := asked{redirectURI: f.get("redirect_uri"), state: f.get("state"), scopes: f.get("scope"), challenge: f.get("code_challenge")}
	refused := func(why string) (asked, *answer) {
		a := page(http.StatusBadRequest, "refused", refusedPage{Why: why})
		return q, &a
	}
	client, known := s.clients[f.get("client_id")]
	q.client = client
	duplicate, twice := f.duplicate()
	if twice {
		s.violation("authorize request with %s more than once", duplicate)
	}
	switch {
	case twice && (duplicate == "client_id" || duplicate == "redirect_uri"):
		return refused("Malformed request")
	case !known || len(client.ID) > 100:
		return refused("Unknown client_id")
	case q.redirectURI == "":
		s.violation("authorize request without redirect_uri")
		return refused("The request is missing a required parameter : redirect_uri")
	case !slices.Contains(client.ReturnURLs, q.redirectURI) || !s.secure(q.redirectURI):
		return refused("The redirect URI you provided has not been whitelisted for your application")
	}
	if s.opts.Standard {
		q.issuer = s.origin(in)
	}
	if twice {
		return q, q.back("invalid_request", "Malformed request")
	}
	if f.get("state") == "" {
		s.violation("authorize request without state")
	}
	if f.get("response_type") != "code" {
		s.violation("authorize request with response_type %q, not code", f.get("response_type"))
		return q, q.back("unsupported_response_type", "The authorization server does not support obtaining an authorization code using this method")
	}
	if a := s.checkChallenge(q, f); a != nil {
		return q, a
	}
	scope, scopeError := s.checkScopes(f)
	if scopeError != nil {
		return q, q.back(scopeError.word, scopeError.description)
	}
	q.product, q.serial = scope.product, scope.serial
	if s.opts.GrantedScopes != "" {
		q.scopes = s.opts.GrantedScopes
	}
	return q, nil
}

// secure is Amazon's rule for return URLs: https, or http on localhost.
func (s *Sim) secure(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (s.opts.Standard || u.Scheme == "https" || u.Scheme == "http" && u.Hostname() == "localhost")
}

func (s *Sim) checkChallenge(q asked, f form) *answer {
	if q.challenge == "" {
		if q.client.Kind != Web {
			s.violation("authorize request of a %s client without code_challenge", q.client.Kind)
			return q.back("invalid_request", "The request is missing a required parameter : code_challenge")
		}
		return nil
	}
	if f.get("code_challenge_method") != "S256" {
		s.violation("code_challenge_method is %q, not S256: plain shows the verifier to who sees the address", f.get("code_challenge_method"))
		return q.back("invalid_request", "The request has an invalid parameter : code_challenge_method")
	}
	if sum, err := base64.RawURLEncoding.DecodeString(q.challenge); err != nil || len(sum) != 32 {
		s.violation("code_challenge is not a SHA-256 in base64url without padding")
		return q.back("invalid_request", "The request has an invalid parameter : code_challenge")
	}
	return nil
}

type alexaProduct struct{ product, serial string }

type scopeError struct{ word, description string }

// checkScopes judges scope and scope_data, for the sign-in and for code pairs.
func (s *Sim) checkScopes(f form) (alexaProduct, *scopeError) {
	scopes := strings.Fields(f.get("scope"))
	alexa := slices.Contains(scopes, "alexa:all")
	if f.has("scope_data") && (!alexa || s.opts.Standard) {
		s.violation("scope_data sent where it means nothing: it belongs to alexa:all at Amazon")
	}
	if len(scopes) == 0 {
		s.violation("request without scope")
		return alexaProduct{}, &scopeError{"invalid_request", "The request is missing a required parameter : scope"}
	}
	if s.opts.Standard {
		return alexaProduct{}, nil
	}
	for _, scope := range scopes {
		if !slices.Contains([]string{"alexa:all", "profile", "profile:user_id", "postal_code"}, scope) && !slices.Contains(s.opts.Scopes, scope) {
			return alexaProduct{}, &scopeError{"invalid_scope", "An unknown scope was requested"}
		}
	}
	if !alexa {
		return alexaProduct{}, nil
	}
	if !f.has("scope_data") {
		s.violation("alexa:all without scope_data")
		return alexaProduct{}, &scopeError{"invalid_request", "The request is missing a required parameter : scope_data"}
	}
	var data struct {
		Alexa struct {
			ProductID  string `json:"productID"`
			Attributes struct {
				Serial string `json:"deviceSerialNumber"`
			} `json:"productInstanceAttributes"`
		} `json:"alexa:all"`
	}
	err := json.Unmarshal([]byte(f.get("scope_data")), &data)
	p := alexaProduct{product: data.Alexa.ProductID, serial: data.Alexa.Attributes.Serial}
	if n := utf8.RuneCountInString(p.product); err != nil || n < 1 || n > 384 || p.serial == "" {
		s.violation("scope_data lacks alexa:all with a productID of 1 to 384 characters and a deviceSerialNumber")
		return alexaProduct{}, &scopeError{"invalid_request", "The request has an invalid parameter : scope_data"}
	}
	return p, nil
}

// allow gives out a code and sends the browser back with it.
func (s *Sim) allow(q asked) answer {
	text := "AN" + randomOf("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 18)
	if s.opts.Standard {
		text = "4/0A" + opaque(40) + "+%2B~="
	}
	s.codes[Hash(text)] = &code{
		grant:       grant{clientID: q.client.ID, scopes: q.scopes, link: &link{}},
		redirectURI: q.redirectURI,
		challenge:   q.challenge,
		made:        s.opts.Now(),
	}
	query := "code=" + url.QueryEscape(text) + "&scope=" + url.QueryEscape(q.scopes)
	if q.state != "" {
		query += "&state=" + url.QueryEscape(q.state)
	}
	return redirect(q.with(query))
}

// Allow does what a person does who opens the authorize URL and presses Allow,
// and returns the address that the browser is sent to. A page that offers no
// Allow, or a redirect that comes without one, is an error; the latter's
// address is returned beside it. Faults do not strike here.
func (s *Sim) Allow(authorizeURL string) (redirectURL string, err error) {
	return s.person(authorizeURL, (*Sim).allow)
}

// Cancel is Allow for the other button.
func (s *Sim) Cancel(authorizeURL string) (redirectURL string, err error) {
	return s.person(authorizeURL, (*Sim).cancel)
}

func (s *Sim) cancel(q asked) answer {
	return *q.back("access_denied", "Access not permitted.")
}

func (s *Sim) person(authorizeURL string, press func(*Sim, asked) answer) (string, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil || u.Path != "/ap/oa" {
		return "", errors.New("not an authorize URL: its path must be /ap/oa")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.read(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host}, nil)
	rec := &Request{Kind: Authorize, At: s.opts.Now(), ClientID: in.form.get("client_id"), Status: http.StatusOK}
	s.requests = append(s.requests, rec)
	q, refused := s.check(in)
	if refused == nil {
		return press(s, q).header.Get("Location"), nil
	}
	rec.Status = refused.status
	if location := refused.header.Get("Location"); location != "" {
		return location, errors.New("the browser was sent back without being asked: see the redirect's error_description")
	}
	return "", fmt.Errorf("the sign-in page was refused with status %d: redirect_uri not whitelisted, or client unknown", refused.status)
}
