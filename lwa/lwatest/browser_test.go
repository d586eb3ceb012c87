//go:build browser

package lwatest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/webdriver"
)

// sentBack waits until the address bar shows the return URL, and returns its
// parameters.
func sentBack(t *testing.T, b *webdriver.Browser) url.Values {
	t.Helper()
	back, err := url.Parse(b.WaitAddress(lwatest.ReturnURL + "?"))
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

// look keeps a picture of the page and has axe judge it.
func look(t *testing.T, b *webdriver.Browser, name string) {
	t.Helper()
	b.Screenshot(name)
	webdriver.Axe(t, b)
}

func TestPersonWithARealBrowserLinksBothWays(t *testing.T) {
	t.Parallel() // it takes seconds, most of them waiting
	b := webdriver.Phone(t)
	w := overSocket(t, lwatest.Options{AccountName: "Ada Lovelace", AccountEmail: "ada.lovelace@example.org"})

	signIn := strings.Replace(authorizeURL(lwatest.WebClientID, "scope", "alexa:all profile", "scope_data", scopeData), "https://www.amazon.com", w.base, 1)
	b.Open(signIn)
	look(t, b, "sign-in")
	b.Click("#allow")
	back := sentBack(t, b)
	if got := back.Get("state"); got != "st4te with blank" {
		t.Errorf("after Allow the address bar shows the state %q, want ours", got)
	}
	w.want(w.exchange(lwatest.WebClientID, back.Get("code"), "client_secret", lwatest.WebClientSecret), http.StatusOK, "")

	b.Open(signIn)
	b.Click("#cancel")
	if got := sentBack(t, b).Get("error_description"); got != "Access not permitted." {
		t.Errorf("after Cancel the address bar says %q, want that access was not permitted", got)
	}

	b.Open(signIn + "&redirect_uri=x")
	look(t, b, "refused")
	if why := b.Text("#why"); !strings.Contains(why, "Malformed request") {
		t.Errorf("the page says %q, want the reason", why)
	}

	pair := w.codePair(lwatest.DeviceClientID)
	b.Open(pair.str("verification_uri"))
	look(t, b, "enter-code")
	b.Type("#code", strings.ToLower(pair.str("user_code")))
	b.Click("#continue")
	b.Find("#allow")
	look(t, b, "allow-device")
	b.Click("#allow")
	if got := b.Text("#success") + " " + b.Text("#account"); got != "Success! Ada Lovelace" {
		t.Errorf("the page says %q, want success and whose account it is", got)
	}
	look(t, b, "success")
	w.want(w.poll(pair), http.StatusOK, "")

	pair = w.codePair(lwatest.DeviceClientID)
	b.Open(pair.str("verification_uri") + "?cbl-code=" + pair.str("user_code"))
	b.Click("#cancel")
	b.Find("#denied")
	look(t, b, "denied")
	w.want(w.poll(pair), http.StatusBadRequest, "invalid_code_pair")
	b.Open(pair.str("verification_uri") + "?cbl-code=" + pair.str("user_code"))
	b.Find("#wrong")
	look(t, b, "wrong-code")

	w.wantViolations("redirect_uri more than once")
}
