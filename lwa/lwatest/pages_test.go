package lwatest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
)

// wantPage checks a page's status and that each text is on it.
func (w *wire) wantPage(r reply, status int, texts ...string) {
	w.t.Helper()
	if r.status != status || !strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		w.t.Fatalf("page has status %d, %q; want %d and HTML", r.status, r.header.Get("Content-Type"), status)
	}
	for _, text := range append(texts, "Simulated Amazon, not the real thing", `name="viewport"`) {
		if !strings.Contains(r.text, text) {
			w.t.Errorf("the page does not say %q:\n%s", text, r.text)
		}
	}
	for _, outside := range []string{"<script", "<img", "<link", "src=", "http://", "https://"} {
		if strings.Contains(r.text, outside) {
			w.t.Errorf("the page holds %q, but must need nothing from outside", outside)
		}
	}
}

func (w *wire) press(path, button string) reply {
	w.t.Helper()
	r, err := w.send(http.MethodPost, path, formType, "press="+button)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestSignInPageAsksAndSendsBack(t *testing.T) {
	overBoth(t, lwatest.Options{AccountName: `Ada "<b>"`}, func(t *testing.T, w *wire) {
		address := strings.TrimPrefix(authorizeURL(lwatest.WebClientID, "scope", "alexa:all profile", "scope_data", scopeData), "https://www.amazon.com")
		w.wantPage(w.get(address), http.StatusOK, "Kitchen radio asks to be linked", "Ada &#34;&lt;b&gt;&#34;", "Your name and e-mail address", "Product kitchen-radio, device 0042", "localhost:9745")

		allowed := w.press(address, "allow")
		if got := allowed.header.Get("Location"); allowed.status != http.StatusFound || !strings.HasPrefix(got, lwatest.ReturnURL+"?code=") {
			t.Fatalf("Allow leads to %d %q, want 302 with a code", allowed.status, got)
		}
		u, _ := url.Parse(allowed.header.Get("Location"))
		w.want(w.exchange(lwatest.WebClientID, u.Query().Get("code"), "client_secret", lwatest.WebClientSecret), http.StatusOK, "")

		if got := w.press(address, "cancel").header.Get("Location"); !strings.Contains(got, "error=access_denied") {
			t.Errorf("Cancel leads to %q, want access_denied", got)
		}
		w.wantPage(w.press(address, "other"), http.StatusBadRequest, "neither Allow nor Cancel")
		if authorize, consent := w.sim.Count(lwatest.Authorize), w.sim.Count(lwatest.Consent); authorize != 1 || consent != 3 {
			t.Errorf("counted %d pages and %d buttons, want 1 and 3", authorize, consent)
		}
	})
}

func TestRefusedSignInSaysWhyAndStays(t *testing.T) {
	w := direct(t, lwatest.Options{})
	at := func(client string, changes ...string) string {
		return strings.TrimPrefix(authorizeURL(client, changes...), "https://www.amazon.com")
	}
	w.wantPage(w.get(at(lwatest.WebClientID, "redirect_uri", "https://evil.example/")), http.StatusBadRequest, "has not been whitelisted")
	w.wantPage(w.press(at("nobody"), "allow"), http.StatusBadRequest, "Unknown client_id")
	w.wantPage(w.get("/favicon.ico"), http.StatusNotFound, "/ap/oa")
}

func TestPairPageTakesTheCodeTypedOrFromTheAddress(t *testing.T) {
	overBoth(t, lwatest.Options{AccountName: "Ada"}, func(t *testing.T, w *wire) {
		w.wantPage(w.get("/us/code"), http.StatusOK, "Enter the code")
		w.wantPage(w.get("/us/code?cbl-code=XXXXXX"), http.StatusOK, "No device waits", "XXXXXX", "Enter the code")

		pair := w.codePair(lwatest.DeviceClientID)
		code := pair.str("user_code")
		typed := "/us/code?cbl-code=+" + strings.ToLower(code[:3]) + "+" + code[3:]
		w.wantPage(w.get(typed), http.StatusOK, "Kitchen radio asks", code, "Ada", "device 0042")
		w.wantPage(w.press(typed, "other"), http.StatusBadRequest)
		w.want(w.poll(pair), http.StatusBadRequest, "authorization_pending")
		w.wantPage(w.press(typed, "allow"), http.StatusOK, "Success!", "now linked to this account", "Ada")
		w.want(w.poll(pair), http.StatusOK, "")
		w.wantPage(w.press(typed, "allow"), http.StatusOK, "No device waits")

		pair = w.codePair(lwatest.DeviceClientID)
		w.wantPage(w.press("/us/code?cbl-code="+pair.str("user_code"), "cancel"), http.StatusOK, "Not linked")
		w.want(w.poll(pair), http.StatusBadRequest, "invalid_code_pair")
	})
}
