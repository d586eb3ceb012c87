package lwatest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

func TestRecordTellsSecretsApartWithoutKeepingThem(t *testing.T) {
	w := direct(t, lwatest.Options{Rotate: true})
	code := w.signIn(lwatest.MobileClientID)
	first := w.exchange(lwatest.MobileClientID, code)
	second := w.refresh(lwatest.MobileClientID, first.str("refresh_token"))
	w.profile(second.str("access_token"))
	w.refresh(lwatest.MobileClientID, "Atzr|nonsense")
	hash := lwatest.Hash
	want := []lwatest.Request{
		{Kind: lwatest.Authorize, ClientID: lwatest.MobileClientID, Status: 200},
		{Kind: lwatest.Exchange, ClientID: lwatest.MobileClientID, Status: 200, Code: hash(code), Access: hash(first.str("access_token")), Refresh: hash(first.str("refresh_token"))},
		{Kind: lwatest.Refresh, ClientID: lwatest.MobileClientID, Status: 200, Token: hash(first.str("refresh_token")), Access: hash(second.str("access_token")), Refresh: hash(second.str("refresh_token"))},
		{Kind: lwatest.Profile, Status: 200, Token: hash(second.str("access_token"))},
		{Kind: lwatest.Refresh, ClientID: lwatest.MobileClientID, Status: 400, Token: hash("Atzr|nonsense")},
	}
	got := w.sim.Requests()
	for i := range got {
		got[i].At = time.Time{}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("recorded\n%+v\nwant\n%+v", got, want)
	}
	if newest := w.sim.NewestToken(); newest != hash(second.str("access_token")) {
		t.Errorf("the newest token is %q, want the one of the refresh: the last request made none", newest)
	}
	text := fmt.Sprintf("%+v %q", got, w.sim.Violations())
	for _, secret := range []string{code, first.str("refresh_token"), second.str("access_token"), verifier} {
		if strings.Contains(text, secret) {
			t.Error("the record holds a secret, and failed tests print records")
		}
	}
	// The same as Secret.Hash of package lwa, so that tests can compare.
	if got := hash("abc"); got != "ba7816bf8f01cfea414140de5dae2223" {
		t.Errorf("hash of abc is %s, want the first half of its SHA-256", got)
	}
}

func TestTokenInfoCountsTheSecondsThatAreLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := direct(t, lwatest.Options{TokenLife: 2 * time.Second})
		token := w.refresh(lwatest.MobileClientID, w.link()).str("access_token")
		at := "/auth/o2/tokeninfo?access_token=" + url.QueryEscape(token)
		time.Sleep(time.Second)
		got := w.get(at)
		if got.fields["exp"] != 1.0 || got.str("aud") != lwatest.MobileClientID || !strings.HasPrefix(got.str("user_id"), "amzn1.account.") {
			t.Errorf("answer is %s, want exp 1 and the client as aud", got.text)
		}
		time.Sleep(time.Second - time.Nanosecond)
		w.want(w.get(at), http.StatusOK, "")
		time.Sleep(time.Nanosecond)
		w.want(w.get(at), http.StatusBadRequest, "invalid_token")
		w.want(w.profile(token), http.StatusUnauthorized, "invalid_token")
	})
}

func TestProfileShowsWhatTheScopesAllow(t *testing.T) {
	w := direct(t, lwatest.Options{AccountName: "Ada", AccountEmail: "ada@example.org"})
	for scopes, want := range map[string]string{
		"profile":                     `"email":"ada@example.org","name":"Ada"}`,
		"profile:user_id":             `{"user_id":"amzn1.account.`,
		"profile:user_id postal_code": `"postal_code":"98109"}`,
		"alexa:all":                   "insufficient_scope",
	} {
		data := ""
		if scopes == "alexa:all" {
			data = scopeData
		}
		code := w.signIn(lwatest.MobileClientID, "scope", scopes, "scope_data", data)
		got := w.profile(w.exchange(lwatest.MobileClientID, code).str("access_token"))
		if !strings.Contains(got.text, want) || scopes != "profile" && strings.Contains(got.text, "Ada") {
			t.Errorf("scopes %q show %s, want %s", scopes, got.text, want)
		}
	}
}

func TestSkewMovesOnlyTheClockThatIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := direct(t, lwatest.Options{Skew: -48 * time.Hour})
		code := w.signIn(lwatest.MobileClientID)
		time.Sleep(time.Minute)
		got := w.exchange(lwatest.MobileClientID, code)
		w.want(got, http.StatusOK, "")
		date, err := http.ParseTime(got.header.Get("Date"))
		if behind := time.Since(date); err != nil || behind < 48*time.Hour || behind > 48*time.Hour+time.Second {
			t.Errorf("the told clock is %s behind, %v; want 48 h", behind, err)
		}
		if at := w.sim.Requests()[1].At; !at.Equal(time.Now()) {
			t.Errorf("recorded at %s, want %s", at, time.Now())
		}
	})
}

func TestManyClientsAtOnce(t *testing.T) {
	overBoth(t, lwatest.Options{Rotate: true}, func(t *testing.T, w *wire) {
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				back, err := w.sim.Allow(authorizeURL(lwatest.MobileClientID))
				if err != nil {
					t.Error(err)
					return
				}
				u, _ := url.Parse(back)
				body := values("grant_type", "authorization_code", "code", u.Query().Get("code"), "redirect_uri", lwatest.ReturnURL,
					"client_id", lwatest.MobileClientID, "code_verifier", verifier).Encode()
				got, err := w.send(http.MethodPost, "/auth/O2/token", formType, body)
				if err != nil || got.status != http.StatusOK {
					t.Errorf("exchange: status %d, %v", got.status, err)
				}
				w.sim.Requests()
				w.sim.Violations()
			})
		}
		wg.Wait()
		if n := w.sim.Count(lwatest.Exchange); n != 20 {
			t.Errorf("counted %d exchanges, want 20", n)
		}
	})
}

func FuzzWhateverIsSentGetsAnAnswer(f *testing.F) {
	for _, path := range []string{"/ap/oa", "/us/code", "/auth/o2/token", "/auth/O2/create/codepair", "/auth/o2/tokeninfo", "/user/profile", "/"} {
		f.Add("POST", path, "client_id="+lwatest.WebClientID, formType, "grant_type=refresh_token&refresh_token=%zz&press=allow")
	}
	f.Add("GET", "/ap/oa", strings.TrimPrefix(authorizeURL(lwatest.WebClientID), "https://www.amazon.com/ap/oa?"), "", "")
	f.Fuzz(func(t *testing.T, method, path, query, contentType, body string) {
		w := direct(t, lwatest.Options{})
		req := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}
		got, err := w.do(req)
		if err != nil || got.status < 200 || got.status > 499 {
			t.Errorf("answer is %d, %v; whatever a client sends, only a fault may make a server error", got.status, err)
		}
		if method != http.MethodPost && w.sim.Count(lwatest.Exchange, lwatest.Refresh, lwatest.Poll) != 0 {
			t.Error("a token request was read that was no POST")
		}
	})
}
