package lwatest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

func TestWebClientLinksAndRefreshesWithItsSecret(t *testing.T) {
	overBoth(t, lwatest.Options{}, func(t *testing.T, w *wire) {
		secret := []string{"client_secret", lwatest.WebClientSecret}
		got := w.exchange(lwatest.WebClientID, w.signIn(lwatest.WebClientID), secret...)
		w.want(got, http.StatusOK, "")
		shape := regexp.MustCompile(`^\{"access_token":"Atza\|[^"]{345,}","refresh_token":"Atzr\|[^"]{345,}","token_type":"bearer","expires_in":3600\}$`)
		if !shape.MatchString(got.text) {
			t.Errorf("the answer has not the recorded form: %s", got.text)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json;charset=UTF-8", "Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache",
		} {
			if got.header.Get(name) != want {
				t.Errorf("header %s is %q, want %q as recorded", name, got.header.Get(name), want)
			}
		}
		if id := got.header.Get("X-Amzn-Requestid"); len(id) != 36 {
			t.Errorf("x-amzn-requestid is %q, want a uuid", id)
		}
		if at, err := http.ParseTime(got.header.Get("Date")); err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("date is %q, want now", got.header.Get("Date"))
		}
		again := w.refresh(lwatest.WebClientID, got.str("refresh_token"), secret...)
		w.want(again, http.StatusOK, "")
		if again.str("refresh_token") != got.str("refresh_token") {
			t.Error("another refresh token came back, but Amazon was measured to return the same one")
		}
		if again.str("access_token") == got.str("access_token") {
			t.Error("the refresh gave the old access token")
		}
		w.wantViolations()
	})
}

func TestClientKindsDifferInSecretAndRefreshToken(t *testing.T) {
	w := direct(t, lwatest.Options{})
	w.want(w.exchange(lwatest.WebClientID, w.signIn(lwatest.WebClientID), "client_secret", "wrong"), http.StatusUnauthorized, "invalid_client")

	for _, id := range []string{lwatest.WebClientID, lwatest.PublicClientID} {
		got := w.exchange(id, w.signIn(id))
		w.want(got, http.StatusOK, "")
		if _, there := got.fields["refresh_token"]; there {
			t.Errorf("web client %s got a refresh token without a secret, which Amazon does not give", id)
		}
	}
	noPKCE := w.signIn(lwatest.WebClientID, "code_challenge", "", "code_challenge_method", "")
	w.want(w.exchange(lwatest.WebClientID, noPKCE, "code_verifier", ""), http.StatusBadRequest, "invalid_request")
	w.want(w.exchange(lwatest.WebClientID, noPKCE, "code_verifier", "", "client_secret", lwatest.WebClientSecret), http.StatusOK, "")

	mobile := w.link()
	w.want(w.refresh(lwatest.MobileClientID, mobile), http.StatusOK, "")
	if _, err := w.sim.Allow(authorizeURL(lwatest.DeviceClientID)); err == nil {
		t.Error("a device client may sign in by browser, although it has no allowed return URL")
	}
	w.want(w.refresh(lwatest.WebClientID, mobile, "client_secret", lwatest.WebClientSecret), http.StatusBadRequest, "invalid_grant")
	w.want(w.exchange("amzn1.application-oa2-client.00", "x"), http.StatusUnauthorized, "invalid_client")
	w.wantViolations("twice")
}

func TestRotatedClientSecretKeepsRefreshTokens(t *testing.T) {
	w := direct(t, lwatest.Options{})
	old := []string{"client_secret", lwatest.WebClientSecret}
	got := w.exchange(lwatest.WebClientID, w.signIn(lwatest.WebClientID), old...)
	if err := w.sim.SetSecret(lwatest.WebClientID, "fresh"); err != nil {
		t.Fatal(err)
	}
	w.want(w.refresh(lwatest.WebClientID, got.str("refresh_token"), old...), http.StatusUnauthorized, "invalid_client")
	w.want(w.refresh(lwatest.WebClientID, got.str("refresh_token"), "client_secret", "fresh"), http.StatusOK, "")
	if err := w.sim.SetSecret("nobody", "x"); err == nil {
		t.Error("the secret of a client that does not exist was changed")
	}
}

func TestCodeIsGoodOnceAndASecondUseWithdrawsItsTokens(t *testing.T) {
	w := direct(t, lwatest.Options{})
	code := w.signIn(lwatest.MobileClientID)
	first := w.exchange(lwatest.MobileClientID, code)
	w.want(first, http.StatusOK, "")
	if twice := w.sim.CodesSentTwice(); len(twice) != 0 {
		t.Fatalf("codes sent twice: %q, want none yet", twice)
	}
	w.want(w.exchange(lwatest.MobileClientID, code), http.StatusBadRequest, "invalid_grant")
	w.want(w.refresh(lwatest.MobileClientID, first.str("refresh_token")), http.StatusBadRequest, "invalid_grant")
	if twice := w.sim.CodesSentTwice(); len(twice) != 1 || twice[0] != lwatest.Hash(code) {
		t.Errorf("codes sent twice: %q, want %q", twice, lwatest.Hash(code))
	}
	w.wantViolations("sent twice", "withdrawn")
}

func TestCodeDiesAtItsEndAndNotBefore(t *testing.T) {
	for _, c := range []struct {
		age    time.Duration
		status int
		word   string
	}{
		{5*time.Minute - time.Nanosecond, http.StatusOK, ""},
		{5 * time.Minute, http.StatusBadRequest, "invalid_grant"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := direct(t, lwatest.Options{})
			code := w.signIn(lwatest.MobileClientID)
			time.Sleep(c.age)
			w.want(w.exchange(lwatest.MobileClientID, code), c.status, c.word)
		})
	}
}

func TestExchangeIsCheckedAgainstTheAuthorizeRequest(t *testing.T) {
	for name, c := range map[string]struct {
		authorize, exchange []string
		word, violation     string
	}{
		"other verifier":       {nil, []string{"code_verifier", strings.Repeat("v", 43)}, "unauthorized_client", ""},
		"no verifier":          {nil, []string{"code_verifier", ""}, "invalid_request", "without code_verifier"},
		"short verifier":       {nil, []string{"code_verifier", "short"}, "invalid_request", "43 to 128"},
		"slash after return":   {nil, []string{"redirect_uri", lwatest.ReturnURL + "/"}, "invalid_grant", "another redirect_uri"},
		"no return":            {nil, []string{"redirect_uri", ""}, "invalid_request", "without redirect_uri"},
		"no code":              {nil, []string{"code", ""}, "invalid_request", "without code"},
		"no client":            {nil, []string{"client_id", ""}, "invalid_request", "without client_id"},
		"malformed code":       {nil, []string{"code", "short"}, "invalid_request", ""},
		"unknown code":         {nil, []string{"code", strings.Repeat("x", 20)}, "invalid_grant", ""},
		"secret of nobody":     {nil, []string{"client_secret", "x"}, "invalid_client", "client_secret sent for a mobile client"},
		"other grant":          {nil, []string{"grant_type", "password"}, "unsupported_grant_type", "password"},
		"no grant":             {nil, []string{"grant_type", ""}, "invalid_request", "without grant_type"},
		"long device grant":    {nil, []string{"grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", ""}, "unsupported_grant_type", "bare word"},
		"refresh with nothing": {nil, []string{"grant_type", "refresh_token"}, "invalid_request", "without refresh_token"},
	} {
		t.Run(name, func(t *testing.T) {
			w := direct(t, lwatest.Options{})
			got := w.exchange(lwatest.MobileClientID, w.signIn(lwatest.MobileClientID, c.authorize...), c.exchange...)
			if got.str("error") != c.word {
				t.Errorf("error is %q, want %q; body %s", got.str("error"), c.word, got.text)
			}
			if c.violation == "" {
				w.wantViolations()
			} else {
				w.wantViolations(c.violation)
			}
		})
	}
}

func TestVerifierWithoutChallengeIsADowngrade(t *testing.T) {
	w := direct(t, lwatest.Options{})
	code := w.signIn(lwatest.WebClientID, "code_challenge", "", "code_challenge_method", "")
	w.want(w.exchange(lwatest.WebClientID, code, "client_secret", lwatest.WebClientSecret), http.StatusBadRequest, "unauthorized_client")
	w.wantViolations("without code_challenge")
}

func TestRotationKeepsTheOldTokenUntilTheNewOneIsUsed(t *testing.T) {
	w := direct(t, lwatest.Options{Rotate: true})
	first := w.link()
	second := w.refresh(lwatest.MobileClientID, first).str("refresh_token")
	lost := w.refresh(lwatest.MobileClientID, first)
	w.want(lost, http.StatusOK, "")
	if second == first || lost.str("refresh_token") == second {
		t.Fatal("the refresh token did not rotate")
	}
	w.want(w.refresh(lwatest.MobileClientID, second), http.StatusOK, "")
	w.want(w.refresh(lwatest.MobileClientID, first), http.StatusBadRequest, "invalid_grant")
}

func TestRotationAtOnceLeavesNothingToALostAnswer(t *testing.T) {
	w := direct(t, lwatest.Options{RotateAtOnce: true})
	token := w.link()
	w.sim.Fail(lwatest.AnswerLost(), 1, lwatest.Refresh)
	if _, err := w.send(http.MethodPost, "/auth/o2/token", formType, values("grant_type", "refresh_token", "refresh_token", token, "client_id", lwatest.MobileClientID).Encode()); err == nil {
		t.Fatal("the lost answer arrived")
	}
	w.want(w.refresh(lwatest.MobileClientID, token), http.StatusBadRequest, "invalid_grant")
}

func TestRefreshAnswerMayOmitTheRefreshToken(t *testing.T) {
	w := direct(t, lwatest.Options{OmitRefreshToken: true})
	token := w.link()
	got := w.refresh(lwatest.MobileClientID, token)
	if _, there := got.fields["refresh_token"]; there || got.status != http.StatusOK {
		t.Errorf("answer is %d with refresh token %t, want 200 without", got.status, there)
	}
	w.want(w.refresh(lwatest.MobileClientID, token), http.StatusOK, "")
}

func TestRemovedAppRefusesEveryToken(t *testing.T) {
	w := direct(t, lwatest.Options{})
	token := w.link()
	access := w.refresh(lwatest.MobileClientID, token).str("access_token")
	w.want(w.profile(access), http.StatusOK, "")
	w.sim.RemoveApp()
	got := w.refresh(lwatest.MobileClientID, token)
	seen := regexp.MustCompile(`^\{"error_index":"\w{264}","error_description":"The request has an invalid grant parameter : refresh_token\. User may have revoked or didn't grant the permission\.","error":"invalid_grant","request_id":"[0-9a-f-]{36}"\}$`)
	if got.status != http.StatusBadRequest || !seen.MatchString(got.text) {
		t.Errorf("answer is %d %s, want the recorded body of a revocation", got.status, got.text)
	}
	w.want(w.profile(access), http.StatusUnauthorized, "invalid_token")
	again := w.link()
	w.want(w.refresh(lwatest.MobileClientID, again), http.StatusOK, "")
}

func TestFormsAreReadAsFormsAre(t *testing.T) {
	right := values("grant_type", "refresh_token", "refresh_token", "Atzr|a+b", "client_id", lwatest.MobileClientID).Encode()
	for name, c := range map[string]struct{ method, path, contentType, body, violation string }{
		"raw plus":        {"POST", "/auth/o2/token", formType, strings.Replace(right, "%2B", "+", 1), "raw +"},
		"raw bar":         {"POST", "/auth/o2/token", formType, strings.Replace(right, "%7C", "|", 1), "unescaped"},
		"bad escape":      {"POST", "/auth/O2/token", formType, right + "%zz", "bad escape"},
		"twice":           {"POST", "/auth/O2/token", formType, right + "&client_id=x", "more than once"},
		"empty secret":    {"POST", "/auth/O2/token", formType, right + "&client_secret=", "empty client_secret"},
		"json":            {"POST", "/auth/O2/token", "application/json", `{}`, "content type"},
		"by GET":          {"GET", "/auth/o2/create/codepair", formType, "", "not POST"},
		"in the query":    {"POST", "/auth/o2/token?x=1", formType, right, "in the address"},
		"half a MiB":      {"POST", "/auth/O2/token", formType, right + "&x=" + strings.Repeat("x", 512<<10), "more than 65536"},
		"profile by POST": {"POST", "/user/profile", formType, "", "not GET"},
	} {
		t.Run(name, func(t *testing.T) {
			w := direct(t, lwatest.Options{})
			got, err := w.send(c.method, c.path, c.contentType, c.body)
			if err != nil || got.status == http.StatusOK {
				t.Errorf("answer is %d, %v; want a refusal", got.status, err)
			}
			if all := w.sim.Violations(); len(all) == 0 || !strings.Contains(all[0], c.violation) {
				t.Errorf("violations are %q, want one that says %q", all, c.violation)
			}
		})
	}
}

func (w *wire) profile(access string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.base+"/user/profile", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	r, err := w.do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}
