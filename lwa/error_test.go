package lwa

import (
	"context"
	"errors"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
)

const (
	webTab    = `"Web settings"`
	deviceTab = `"Other devices and platforms"`
)

// Every error answer that Amazon was seen to give or documents, and those of
// the RFCs, by the request it answers.
func TestEveryRefusalIsWhatItMeans(t *testing.T) {
	for _, c := range []struct {
		call    lwatest.Kind
		refusal lwatest.Refusal
		kind    Kind
		says    string // in the message
		hint    string // in the hint
	}{
		{lwatest.Refresh, lwatest.Revoked, Spent, "removed in the Amazon account", "link the device again"},
		{lwatest.Refresh, lwatest.MissingSecret, Configuration, webTab, deviceTab},
		{lwatest.Refresh, lwatest.WrongSecret, Configuration, "client secret", webTab},
		{lwatest.Refresh, lwatest.Unauthorized, Configuration, "link in this way", deviceTab},
		{lwatest.Refresh, lwatest.BadClientID, Configuration, "client id", "console"},
		{lwatest.Refresh, lwatest.Malformed, Configuration, "refused the refresh", "client_id"},
		{lwatest.Refresh, lwatest.Unsupported, Configuration, "refused the refresh", "client_id"},
		{lwatest.Refresh, lwatest.ServerError, Passing, "500", "by itself"},
		// Only invalid_grant is proof that a link has ended.
		{lwatest.Refresh, lwatest.AccessDenied, Passing, "400 access_denied", ""},
		{lwatest.Refresh, lwatest.ExpiredToken, Passing, "400 expired_token", ""},
		{lwatest.Refresh, lwatest.InvalidCodePair, Passing, "400 invalid_code_pair", ""},

		{lwatest.Exchange, lwatest.SpentCode, Spent, "older than 5 minutes", "scan the QR code"},
		{lwatest.Exchange, lwatest.WrongVerifier, Spent, "another QR code", "scan the QR code"},
		{lwatest.Exchange, lwatest.MalformedCode, Spent, "not a code", "whole address"},
		{lwatest.Exchange, lwatest.AccessDenied, Spent, "Cancel", "allow the device"},
		{lwatest.Exchange, lwatest.MissingSecret, Configuration, webTab, "client_secret_file"},
		{lwatest.Exchange, lwatest.WrongSecret, Configuration, "client secret", webTab},
		{lwatest.Exchange, lwatest.Unauthorized, Configuration, "link in this way", deviceTab},
		{lwatest.Exchange, lwatest.Malformed, Configuration, "refused the code", "scopes"},
		{lwatest.Exchange, lwatest.Unsupported, Configuration, "refused the code", ""},
		{lwatest.Exchange, lwatest.ServerError, Passing, "500", "scan the QR code again"},

		{lwatest.CodePair, lwatest.BadClientID, Configuration, "client id", "without braces"},
		{lwatest.CodePair, lwatest.WrongSecret, Configuration, "link in this way", deviceTab},
		{lwatest.CodePair, lwatest.Unauthorized, Configuration, "link in this way", deviceTab},
		{lwatest.CodePair, lwatest.ServerError, Passing, "500", "by itself"},

		{lwatest.Poll, lwatest.Pending, Pending, "signing in", ""},
		{lwatest.Poll, lwatest.SlowDown, SlowDown, "too often", ""},
		{lwatest.Poll, lwatest.InvalidCodePair, Spent, "not used in time", ""},
		{lwatest.Poll, lwatest.ExpiredToken, Spent, "not used in time", ""},
		{lwatest.Poll, lwatest.AccessDenied, Spent, "Cancel", "allow the device"},
		{lwatest.Poll, lwatest.SpentCode, Spent, "not used in time", ""},
		{lwatest.Poll, lwatest.Unauthorized, Configuration, "link in this way", deviceTab},
		{lwatest.Poll, lwatest.ServerError, Passing, "500", "by itself"},

		{lwatest.Profile, lwatest.ServerError, Passing, "500", "by itself"},
	} {
		fault := lwatest.Refusing(c.refusal)
		t.Run(string(c.call)+"/"+fault.Name, func(t *testing.T) {
			d, call := prepared(t, c.call)
			d.sim.Fail(fault, 1, c.call)
			e := d.failure(call(t.Context()))
			if e.Kind != c.kind || !strings.Contains(e.Message, c.says) || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("%s answered to a %s is kind %d, %q, %q; want kind %d, a message with %q and a hint with %q",
					fault.Name, c.call, e.Kind, e.Message, e.Hint, c.kind, c.says, c.hint)
			}
			if e.Unsent || e.RetryAfter != 0 {
				t.Errorf("%+v: an answer came, so the request was sent, and it asked for no wait", e)
			}
			if e.Code != fault.Name && e.Kind != Passing {
				t.Errorf("code %q, want the server's own word %q: scripts compare it", e.Code, fault.Name)
			}
			if e.Date.IsZero() {
				t.Error("the server's date is lost")
			}
		})
	}
}

func prepared(t *testing.T, kind lwatest.Kind) (*device, func(context.Context) error) {
	t.Helper()
	for _, c := range everyCall() {
		if c.kind == kind {
			d := mobile(t, lwatest.Options{})
			return d, c.prepare(d)
		}
	}
	t.Fatalf("no call of the kind %s", kind)
	return nil, nil
}

// The refusals with words of their own, by the description that tells them
// apart.
func TestRefusalNamesThePlaceToMend(t *testing.T) {
	for _, c := range []struct {
		body       string
		says, hint string
	}{
		{`{"error_description":"The redirect URI you provided has not been whitelisted: redirect_uri","error":"invalid_request"}`, "redirect_uri", `"Allowed Return URLs" in "Web settings"`},
		{`{"error_description":"An unknown scope was requested","error":"invalid_scope"}`, "scopes", "product_id"},
		{`{"error_description":"The request has an invalid parameter : client_id","error":"InvalidValue"}`, "client id", "without braces"},
		{`{"error_description":"The request is missing a required parameter : client_secret","error":"invalid_request"}`, webTab, deviceTab},
	} {
		d := answering(t, 400, c.body)
		_, err := d.refreshOnce()
		if e := d.failure(err); e.Kind != Configuration || !strings.Contains(e.Message, c.says) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s\nis %+v, want a configuration failure with %q and the hint %q", c.body, e, c.says, c.hint)
		}
	}
}

func TestOnlyTheErrorWordOfAnAnswerIsShown(t *testing.T) {
	for word, want := range map[string]string{
		"temporarily_unavailable":         "temporarily_unavailable",
		"vendor.error-7":                  "vendor.error-7",
		strings.Repeat("x", 41):           "unknown_error",
		"Atzr|canary-of-another-person":   "unknown_error",
		"two words":                       "unknown_error",
		`\u001b[2J`:                       "unknown_error",
		`invalid_grant\u0000`:             "unknown_error",
		"<script>alert(1)</script>":       "unknown_error",
		"ünbekannt":                       "unknown_error",
		"https://phish.example/sign-in?a": "unknown_error",
	} {
		d := answering(t, 400, `{"error":"`+word+`","error_description":"canary description\nwith a line end","error_uri":"https://phish.example/"}`)
		_, err := d.refreshOnce()
		e := d.failure(err)
		if e.Kind != Passing || e.Code != want || e.Hint == "" || strings.Contains(e.Error(), "canary") || strings.Contains(e.Error(), "phish") {
			t.Errorf("error word %q is shown as %q: %v; want %q, passing, what will come of it, and nothing else of the answer", word, e.Code, e, want)
		}
	}
}

func TestRefusalWithAnotherStatusIsJudgedByBoth(t *testing.T) {
	const revoked = `{"error":"invalid_grant","error_description":"The request has an invalid grant parameter : refresh_token."}`
	for status, want := range map[int]Kind{400: Spent, 401: Spent, 429: Passing, 500: Passing, 502: Passing, 503: Passing} {
		d := answering(t, status, revoked)
		_, err := d.refreshOnce()
		if e := d.failure(err); e.Kind != want {
			t.Errorf("invalid_grant with status %d is kind %d, want %d: a server that is ill proves nothing", status, e.Kind, want)
		}
	}
	for _, status := range []int{201, 204, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 410, 418, 431} {
		for _, body := range []string{`{}`, `{"message":"no"}`, `{"access_token":"Atza|a","expires_in":3600}`} {
			d := answering(t, status, body)
			_, err := d.refreshOnce()
			if e := d.failure(err); e.Kind != Passing || e.Code != "not_oauth" {
				t.Errorf("status %d with %s is %+v, want a passing failure", status, body, e)
			}
		}
	}
}

func TestNetworkThatWantsASignInIsNotAnIllServer(t *testing.T) {
	d := answering(t, 511, `{}`)
	_, err := d.refreshOnce()
	if e := d.failure(err); e.Kind != Passing || e.Code != "not_oauth" || !strings.Contains(e.Hint, "sign in there") {
		t.Errorf("511 (RFC 6585 section 6) is %+v, want the network's sign-in page named", e)
	}
}

func TestAddressThatIsNoneIsAMistakeInTheConfiguration(t *testing.T) {
	d := mobile(t, lwatest.Options{})
	d.Endpoints = Endpoints{Token: "https://api.amazon.com\n/", CodePair: "://", Profile: "\x7f"}
	_, refresh := d.Refresh(t.Context(), NewSecret("Atzr|a"))
	_, pair := d.CodePair(t.Context())
	_, profile := d.Profile(t.Context(), NewSecret("Atza|a"))
	for _, err := range []error{refresh, pair, profile} {
		if e := d.failure(err); e.Kind != Configuration || !strings.Contains(e.Hint, "[endpoints]") {
			t.Errorf("%+v, want a configuration failure that names [endpoints]", e)
		}
	}
}

func TestErrorIsOneLineWithItsHint(t *testing.T) {
	with, without := &Error{Message: "it failed", Hint: "try again"}, &Error{Message: "it failed"}
	if with.Error() != "it failed; try again" || without.Error() != "it failed" {
		t.Errorf("%q and %q", with, without)
	}
	if _, is := errors.AsType[*Error](errors.Join(errors.New("x"), with)); !is {
		t.Error("an error among others is not found")
	}
}
