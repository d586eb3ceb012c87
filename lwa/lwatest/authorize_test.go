package lwatest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
)

func TestBrowserIsSentBackWithCodeScopeAndState(t *testing.T) {
	w := direct(t, lwatest.Options{})
	back, err := w.sim.Allow(authorizeURL(lwatest.WebClientID, "scope", "alexa:all", "scope_data", scopeData))
	want := regexp.MustCompile(`^https://localhost:9745/authresponse\?code=[A-Za-z]{20}&scope=alexa%3Aall&state=st4te\+with\+blank$`)
	if err != nil || !want.MatchString(back) {
		t.Errorf("redirect is %q, %v; want the recorded form", back, err)
	}
	back, err = w.sim.Cancel(authorizeURL(lwatest.WebClientID))
	if seen := lwatest.ReturnURL + "?error_description=Access+not+permitted.&state=st4te+with+blank&error=access_denied"; back != seen || err != nil {
		t.Errorf("redirect after Cancel is %q, %v; want %q", back, err, seen)
	}
	w.wantViolations()
	if n := w.sim.Count(lwatest.Authorize); n != 2 {
		t.Errorf("counted %d authorize requests, want 2", n)
	}
}

func TestAuthorizeRequestsAreJudged(t *testing.T) {
	const refusedPage = ""
	for name, c := range map[string]struct {
		client          string
		changes         []string
		word, violation string
	}{
		"unknown client":    {"nobody", nil, refusedPage, ""},
		"unlisted return":   {lwatest.WebClientID, []string{"redirect_uri", lwatest.ReturnURL + "/"}, refusedPage, ""},
		"return with port":  {lwatest.WebClientID, []string{"redirect_uri", "https://localhost:443/authresponse"}, refusedPage, ""},
		"no return":         {lwatest.WebClientID, []string{"redirect_uri", ""}, refusedPage, "without redirect_uri"},
		"unknown scope":     {lwatest.WebClientID, []string{"scope", "profile everything"}, "invalid_scope", ""},
		"no scope":          {lwatest.WebClientID, []string{"scope", ""}, "invalid_request", "without scope"},
		"no scope_data":     {lwatest.WebClientID, []string{"scope", "alexa:all"}, "invalid_request", "without scope_data"},
		"bad scope_data":    {lwatest.WebClientID, []string{"scope", "alexa:all", "scope_data", `{"alexa:all":{"productID":"x"}}`}, "invalid_request", "deviceSerialNumber"},
		"needless data":     {lwatest.WebClientID, []string{"scope_data", scopeData}, "allowed", "means nothing"},
		"token wanted":      {lwatest.WebClientID, []string{"response_type", "token"}, "unsupported_response_type", "response_type"},
		"plain challenge":   {lwatest.WebClientID, []string{"code_challenge_method", "plain"}, "invalid_request", "plain"},
		"no method":         {lwatest.WebClientID, []string{"code_challenge_method", ""}, "invalid_request", "plain"},
		"no hash":           {lwatest.WebClientID, []string{"code_challenge", verifier + "="}, "invalid_request", "SHA-256"},
		"mobile, no PKCE":   {lwatest.MobileClientID, []string{"code_challenge", "", "code_challenge_method", ""}, "invalid_request", "without code_challenge"},
		"no state":          {lwatest.WebClientID, []string{"state", ""}, "allowed", "without state"},
		"product of length": {lwatest.WebClientID, []string{"scope", "alexa:all", "scope_data", strings.Replace(scopeData, "kitchen-radio", strings.Repeat("ü", 384), 1)}, "allowed", ""},
		"product too long":  {lwatest.WebClientID, []string{"scope", "alexa:all", "scope_data", strings.Replace(scopeData, "kitchen-radio", strings.Repeat("ü", 385), 1)}, "invalid_request", "384"},
	} {
		t.Run(name, func(t *testing.T) {
			w := direct(t, lwatest.Options{})
			address := authorizeURL(c.client, c.changes...)
			back, err := w.sim.Allow(address)
			u, _ := url.Parse(back)
			switch {
			case c.word == "allowed" && (err != nil || u.Query().Get("code") == ""):
				t.Errorf("redirect is %q, %v; want a code", back, err)
			case c.word == refusedPage && (err == nil || back != ""):
				t.Errorf("redirect is %q, %v; want a page and no redirect", back, err)
			case c.word != "allowed" && (err == nil || u.Query().Get("error") != c.word):
				t.Errorf("redirect is %q, %v; want error=%s", back, err, c.word)
			}
			if c.violation == "" {
				w.wantViolations()
			} else {
				w.wantViolations(c.violation)
			}

			page := w.get(strings.TrimPrefix(address, "https://www.amazon.com"))
			want := http.StatusFound
			switch c.word {
			case refusedPage:
				want = http.StatusBadRequest
			case "allowed":
				want = http.StatusOK
			}
			if page.status != want {
				t.Errorf("the page has status %d, want %d", page.status, want)
			}
		})
	}
}

func TestDoubledParametersAreRefused(t *testing.T) {
	w := direct(t, lwatest.Options{})
	if _, err := w.sim.Allow(authorizeURL(lwatest.WebClientID) + "&client_id=x"); err == nil {
		t.Error("two client ids were let through")
	}
	back, err := w.sim.Allow(authorizeURL(lwatest.WebClientID) + "&state=x")
	if err == nil || !strings.Contains(back, "error=invalid_request") {
		t.Errorf("two states led to %q, %v; want invalid_request", back, err)
	}
	w.wantViolations("client_id more than once", "state more than once")
}

func TestPlainServerSpeaksStandardOAuth(t *testing.T) {
	const callback = "http://127.0.0.1:8080/back?from=idp"
	w := direct(t, lwatest.Options{
		Standard: true, GrantedScopes: "openid email",
		Clients: []lwatest.Client{{ID: "radio", Kind: lwatest.WebPublic, ReturnURLs: []string{callback}}},
	})
	address := strings.Replace(authorizeURL("radio", "scope", "openid offline_access", "redirect_uri", callback), "www.amazon.com", "idp.example", 1)
	back, err := w.sim.Allow(address)
	if err != nil || !strings.HasPrefix(back, callback+"&code=") {
		t.Fatalf("redirect is %q, %v; want the query to go on", back, err)
	}
	u, _ := url.Parse(back)
	if got := u.Query().Get("iss"); got != "https://idp.example" {
		t.Errorf("iss is %q, want the issuer (RFC 9207)", got)
	}
	code := u.Query().Get("code")
	if !strings.ContainsAny(code, "+/=") {
		t.Errorf("code %q needs no escaping, so it would not find a client that does none", code)
	}
	got := w.exchange("radio", code, "redirect_uri", callback)
	w.want(got, http.StatusOK, "")
	if got.str("token_type") != "Bearer" || got.str("scope") != "openid email" || got.str("refresh_token") == "" {
		t.Errorf("answer is %s, want Bearer, the granted scopes and a refresh token", got.text)
	}
	back, _ = w.sim.Allow(address)
	u, _ = url.Parse(back)
	w.want(w.exchange("radio", u.Query().Get("code"), "redirect_uri", callback, "code_verifier", strings.Repeat("v", 43)), http.StatusBadRequest, "invalid_grant")
	w.wantViolations()
}

func TestExpiresInComesInEachShape(t *testing.T) {
	w := direct(t, lwatest.Options{})
	for shape, want := range map[lwatest.Shape]string{
		lwatest.ExpiresNumber:   `"expires_in":3600}`,
		lwatest.ExpiresString:   `"expires_in":"3600"}`,
		lwatest.ExpiresFraction: `"expires_in":3600.0}`,
		lwatest.ExpiresAbsent:   `"token_type":"bearer"}`,
	} {
		w.sim.Change(func(o *lwatest.Options) { o.ExpiresIn = shape })
		got := w.exchange(lwatest.MobileClientID, w.signIn(lwatest.MobileClientID))
		if !strings.HasSuffix(got.text, want) {
			t.Errorf("shape %d: answer ends in %q, want %q", shape, got.text[len(got.text)-40:], want)
		}
	}
}
