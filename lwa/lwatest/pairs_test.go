package lwatest_test

import (
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

func (w *wire) codePair(clientID string, changes ...string) reply {
	w.t.Helper()
	return w.form("/auth/O2/create/codepair", append([]string{
		"response_type", "device_code", "client_id", clientID, "scope", "alexa:all", "scope_data", scopeData,
	}, changes...)...)
}

func (w *wire) poll(pair reply, changes ...string) reply {
	w.t.Helper()
	return w.token(append([]string{
		"grant_type", "device_code", "device_code", pair.str("device_code"), "user_code", pair.str("user_code"),
	}, changes...)...)
}

func TestDeviceLinksByCodePair(t *testing.T) {
	overBoth(t, lwatest.Options{}, func(t *testing.T, w *wire) {
		pair := w.codePair(lwatest.DeviceClientID)
		w.want(pair, http.StatusOK, "")
		shape := regexp.MustCompile(`^\{"device_code":"[0-9a-f-]{36}","expires_in":600,"interval":30,"user_code":"[A-Z0-9]{6}","verification_uri":"http[^"]+/us/code"\}$`)
		if !shape.MatchString(pair.text) {
			t.Errorf("the answer has not the recorded form: %s", pair.text)
		}
		w.want(w.poll(pair), http.StatusBadRequest, "authorization_pending")
		w.want(w.poll(pair), http.StatusBadRequest, "authorization_pending")
		if err := w.sim.AllowPair(" " + pair.str("user_code")); err != nil {
			t.Fatal(err)
		}
		got := w.poll(pair)
		w.want(got, http.StatusOK, "")
		w.want(w.refresh(lwatest.DeviceClientID, got.str("refresh_token")), http.StatusOK, "")
		w.want(w.poll(pair), http.StatusBadRequest, "invalid_code_pair")
		if err := w.sim.AllowPair(pair.str("user_code")); err == nil {
			t.Error("a pair was allowed twice")
		}
		w.wantViolations()
	})
}

func TestVerificationAddressFollowsTheHostUnlessToldOtherwise(t *testing.T) {
	w := direct(t, lwatest.Options{})
	if got := w.codePair(lwatest.DeviceClientID).str("verification_uri"); got != "https://amazon.com/us/code" {
		t.Errorf("at Amazon's host the address is %q, want the recorded one", got)
	}
	s := overSocket(t, lwatest.Options{})
	if got := s.codePair(lwatest.DeviceClientID).str("verification_uri"); got != s.base+"/us/code" {
		t.Errorf("on loopback the address is %q, want one that leads here: %q", got, s.base+"/us/code")
	}
	w.sim.Change(func(o *lwatest.Options) { o.BaseURL = "http://192.0.2.7:9000/" })
	if got := w.codePair(lwatest.DeviceClientID).str("verification_uri"); got != "http://192.0.2.7:9000/us/code" {
		t.Errorf("the address is %q, want the one that was set", got)
	}
}

func TestWebClientLinksByCodePairAndFailsAtItsFirstRefresh(t *testing.T) {
	w := direct(t, lwatest.Options{})
	pair := w.codePair(lwatest.WebClientID)
	if err := w.sim.AllowPair(pair.str("user_code")); err != nil {
		t.Fatal(err)
	}
	got := w.poll(pair)
	w.want(got, http.StatusOK, "")
	refused := w.refresh(lwatest.WebClientID, got.str("refresh_token"))
	if want := `{"error_description":"The request is missing a required parameter : client_secret","error":"invalid_request"}`; refused.text != want {
		t.Errorf("the first refresh is answered %s, want %s as seen many times", refused.text, want)
	}
}

func TestPairEndsByTimeOrByCancel(t *testing.T) {
	for _, c := range []struct {
		standard        bool
		denied, expired string
	}{
		{false, "invalid_code_pair", "invalid_code_pair"},
		{true, "access_denied", "expired_token"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := direct(t, lwatest.Options{StandardPairErrors: c.standard})
			pair := w.codePair(lwatest.DeviceClientID)
			if err := w.sim.DenyPair(pair.str("user_code")); err != nil {
				t.Fatal(err)
			}
			w.want(w.poll(pair), http.StatusBadRequest, c.denied)

			pair = w.codePair(lwatest.DeviceClientID)
			time.Sleep(10*time.Minute - time.Nanosecond)
			w.want(w.poll(pair), http.StatusBadRequest, "authorization_pending")
			time.Sleep(time.Nanosecond)
			w.want(w.poll(pair), http.StatusBadRequest, c.expired)
			if err := w.sim.AllowPair(pair.str("user_code")); err == nil {
				t.Error("an expired pair could be allowed")
			}

			pair = w.codePair(lwatest.DeviceClientID)
			w.sim.ExpirePairs()
			w.want(w.poll(pair), http.StatusBadRequest, c.expired)
		})
	}
}

func TestStrictPollingSlowsDownAndInsists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := direct(t, lwatest.Options{StrictPolling: true, PairInterval: 5 * time.Second})
		pair := w.codePair(lwatest.DeviceClientID)
		w.want(w.poll(pair), http.StatusBadRequest, "authorization_pending")
		time.Sleep(5*time.Second - time.Nanosecond)
		w.want(w.poll(pair), http.StatusBadRequest, "slow_down")
		time.Sleep(5 * time.Second)
		w.want(w.poll(pair), http.StatusBadRequest, "slow_down")
		time.Sleep(20 * time.Second)
		w.want(w.poll(pair), http.StatusBadRequest, "authorization_pending")
		for range 5 {
			w.poll(pair)
		}
		time.Sleep(time.Minute)
		w.want(w.poll(pair), http.StatusBadRequest, "authorization_pending")
		if n := len(w.sim.Violations()); n != 7 {
			t.Errorf("%d polls were recorded as too early, want 7", n)
		}
	})
}

func TestPairRequestsAndPollsAreChecked(t *testing.T) {
	w := direct(t, lwatest.Options{})
	w.want(w.codePair("nobody"), http.StatusBadRequest, "InvalidValue")
	w.wantViolations()
	w.want(w.codePair(lwatest.DeviceClientID, "scope", "everything", "scope_data", ""), http.StatusBadRequest, "invalid_scope")
	w.want(w.codePair(lwatest.DeviceClientID, "response_type", "code"), http.StatusBadRequest, "invalid_request")
	w.want(w.codePair(lwatest.DeviceClientID, "scope_data", ""), http.StatusBadRequest, "invalid_request")
	w.want(w.codePair(lwatest.DeviceClientID, "client_secret", "x"), http.StatusOK, "")
	pair := w.codePair(lwatest.DeviceClientID)
	w.want(w.poll(pair, "client_id", lwatest.DeviceClientID), http.StatusBadRequest, "authorization_pending")
	w.want(w.poll(pair, "user_code", ""), http.StatusBadRequest, "invalid_request")
	w.want(w.poll(pair, "user_code", "AAAAAA"), http.StatusBadRequest, "invalid_code_pair")
	w.want(w.poll(pair, "device_code", "another"), http.StatusBadRequest, "invalid_code_pair")
	w.wantViolations("response_type", "without scope_data", "client_secret", "poll with client_id", "without user_code", "belongs to another")
}
