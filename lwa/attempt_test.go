package lwa

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
)

func TestChallengeIsTheOneOfRFC7636(t *testing.T) {
	a := Attempt{Verifier: NewSecret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")}
	if got, want := a.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; got != want {
		t.Errorf("challenge %q, want %q of RFC 7636 appendix B: no server would take the verifier", got, want)
	}
}

func TestEachAttemptIsMadeOfFreshRandomness(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		a := NewAttempt(lwatest.ReturnURL)
		for text, bytes := range map[string]int{a.State: 16, a.Verifier.Reveal(): 32} {
			raw, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil || len(raw) != bytes {
				t.Fatalf("%d characters of base64url with %d bytes (%v), want %d random bytes", len(text), len(raw), err, bytes)
			}
			if seen[text] {
				t.Fatal("the same state or verifier twice: an answer could be forged")
			}
			seen[text] = true
		}
		if len(a.State) != StateLength {
			t.Fatalf("state of %d characters, want %d: ParseDrop counts on it", len(a.State), StateLength)
		}
		// RFC 7636 section 4.1.
		if v := a.Verifier.Reveal(); len(v) < 43 || len(v) > 128 {
			t.Fatalf("verifier of %d characters, want 43 to 128", len(v))
		}
	}
}

func TestOnlyItsOwnStateMatches(t *testing.T) {
	a := NewAttempt(lwatest.ReturnURL)
	for state, want := range map[string]bool{
		a.State: true, "": false, a.State[:21]: false, a.State + "A": false, strings.ToLower(a.State) + "x": false,
		NewAttempt(lwatest.ReturnURL).State: false,
	} {
		if a.Matches(state) != want {
			t.Errorf("Matches(%q) is %t for the attempt %q", state, !want, a.State)
		}
	}
}

// The whole address, so that no change of it goes unnoticed: it decides which
// codes fit on a display.
func TestAuthorizeURLGolden(t *testing.T) {
	endpoints, _ := RegionEndpoints("eu")
	c := Client{
		ID: "amzn1.application-oa2-client.37be20f4d5a84c19b86e4f1290ca7d53", Scopes: []string{"alexa:all"}, RedirectURI: lwatest.ReturnURL,
		ProductID: `radio "kitchen"`, SerialNumber: "0042", Secret: NewSecret("canary"), Endpoints: endpoints,
	}
	a := Attempt{ // the verifier of RFC 7636 appendix B
		State: "xyzzy0123456789_-ABCDE", Verifier: NewSecret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), RedirectURI: c.RedirectURI,
	}
	got := c.AuthorizeURL(a)
	want := "https://eu.account.amazon.com/ap/oa?client_id=amzn1.application-oa2-client.37be20f4d5a84c19b86e4f1290ca7d53" +
		"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256" +
		"&redirect_uri=https%3A%2F%2Flocalhost%3A9745%2Fauthresponse&response_type=code&scope=alexa%3Aall" +
		"&scope_data=%7B%22alexa%3Aall%22%3A%7B%22productID%22%3A%22radio+%5C%22kitchen%5C%22%22%2C%22productInstanceAttributes%22%3A%7B%22deviceSerialNumber%22%3A%220042%22%7D%7D%7D" +
		"&state=xyzzy0123456789_-ABCDE"
	if got != want {
		t.Errorf("authorize URL\n got %s\nwant %s", got, want)
	}
	if again := c.AuthorizeURL(a); again != got {
		t.Error("the same attempt gives another address: a QR code would move under the camera")
	}
	if strings.Contains(got, a.Verifier.Reveal()) || strings.Contains(got, "canary") {
		t.Error("the address that everybody sees holds a secret")
	}
}

func TestScopeDataGoesOnlyWithAlexa(t *testing.T) {
	for _, c := range []struct {
		scopes []string
		want   bool
	}{
		{[]string{"profile"}, false},
		{[]string{"profile", "postal_code"}, false},
		{[]string{"openid", "alexa:allx"}, false},
		{[]string{"alexa:all"}, true},
		{[]string{"profile", "alexa:all"}, true},
	} {
		d := mobile(t, lwatest.Options{})
		d.Scopes, d.ProductID, d.SerialNumber = c.scopes, "kitchen-radio", "0042"
		u, err := url.Parse(d.AuthorizeURL(d.attempt))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("scope") != strings.Join(c.scopes, " ") {
			t.Errorf("scope %q, want %q", q.Get("scope"), c.scopes)
		}
		if q.Has("scope_data") != c.want {
			t.Errorf("scopes %q: scope_data %t, want %t: other servers refuse what they do not know", c.scopes, !c.want, c.want)
			continue
		}
		if !c.want {
			continue
		}
		var data any
		if err := json.Unmarshal([]byte(q.Get("scope_data")), &data); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(data); string(got) != `{"alexa:all":{"productID":"kitchen-radio","productInstanceAttributes":{"deviceSerialNumber":"0042"}}}` {
			t.Errorf("scope_data %s", got)
		}
		d.signIn()
	}
}

func TestQueryOfTheAuthorizeEndpointIsKept(t *testing.T) {
	c := Client{ID: "radio", Scopes: []string{"openid"}, RedirectURI: lwatest.ReturnURL, Endpoints: Endpoints{Authorize: "https://id.example/login?tenant=a%20b&x="}}
	u, err := url.Parse(c.AuthorizeURL(NewAttempt(c.RedirectURI)))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	want := []string{"client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "scope", "state", "tenant", "x"}
	if got := slices.Sorted(maps.Keys(q)); !slices.Equal(got, want) || q.Get("tenant") != "a b" || u.Host != "id.example" || u.Path != "/login" {
		t.Errorf("%s has the parameters %q, want %q (RFC 6749 section 3.1)", u, got, want)
	}
	for name, values := range q {
		if len(values) != 1 {
			t.Errorf("%s stands in the address %d times", name, len(values))
		}
	}
}
