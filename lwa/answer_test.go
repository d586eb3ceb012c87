package lwa

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// transport is a server that is nothing but its answer.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is a device whose server always gives one answer.
func answering(t *testing.T, status int, body string, header ...string) *device {
	t.Helper()
	d := mobile(t, lwatest.Options{})
	d.Transport = transport(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		h := http.Header{"Content-Type": {"application/json;charset=UTF-8"}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
	return d
}

func (d *device) refreshOnce() (Token, error) {
	return d.Refresh(d.t.Context(), d.secret(NewSecret("Atzr|canary-of-the-refresh-token")))
}

func TestLifeOfATokenIsNeverMisread(t *testing.T) {
	for _, c := range []struct {
		expires string
		want    time.Duration
	}{
		{`3600`, time.Hour},
		{`3600.0`, time.Hour},
		{`36e2`, time.Hour},
		{`"3600"`, time.Hour},
		{`" 3600 "`, time.Hour},
		{`"3600.5"`, time.Hour + 500*time.Millisecond},
		{`2`, 2 * time.Second},
		{`1.5`, 1500 * time.Millisecond},
		{`1e12`, MaxLife},
		{`1e308`, MaxLife},
		{`"1e12"`, MaxLife},
		{`99999999999999999999`, MaxLife},
		{`0`, defaultLife},
		{`0.0`, defaultLife},
		{`-1`, defaultLife},
		{`-1e300`, defaultLife},
		{`1e999`, defaultLife},
		{`"1e999"`, defaultLife},
		{`"NaN"`, defaultLife},
		{`"soon"`, defaultLife},
		{`""`, defaultLife},
		{`null`, defaultLife},
		{`true`, defaultLife},
		{`[3600]`, defaultLife},
		{`{"value":3600}`, defaultLife},
		{``, defaultLife}, // absent
	} {
		body := `{"access_token":"Atza|a","refresh_token":"Atzr|r","token_type":"bearer"`
		if c.expires != "" {
			body += `,"expires_in":` + c.expires
		}
		token, err := answering(t, http.StatusOK, body+"}").refreshOnce()
		if err != nil || token.Life != c.want {
			t.Errorf("expires_in %s: life %v (%v), want %v", c.expires, token.Life, err, c.want)
		}
	}
}

func TestAnswersThatAreNoTokens(t *testing.T) {
	const good = `{"access_token":"Atza|a","refresh_token":"Atzr|r","token_type":"bearer","expires_in":3600}`
	for _, c := range []struct {
		name, body string
		kind       Kind
		code       string
	}{
		{"nothing", ``, Passing, "not_oauth"},
		{"blanks", " \n ", Passing, "not_oauth"},
		{"an array", `[` + good + `]`, Passing, "not_oauth"},
		{"a string", `"Atza|a"`, Passing, "not_oauth"},
		{"null", `null`, Passing, "not_oauth"},
		{"a number", `7`, Passing, "not_oauth"},
		{"cut short", good[:len(good)-1], Passing, "not_oauth"},
		{"cut in a key", good[:10], Passing, "not_oauth"},
		{"cut in a text", good[:25], Passing, "not_oauth"},
		{"something behind it", good + good, Passing, "not_oauth"},
		{"HTML behind it", good + "<html>", Passing, "not_oauth"},
		{"no object", `{}`, Passing, "not_oauth"},
		{"no access token", `{"refresh_token":"Atzr|r"}`, Passing, "not_oauth"},
		{"an empty one", `{"access_token":""}`, Passing, "not_oauth"},
		{"of another type", `{"access_token":["Atza|a"]}`, Passing, "not_oauth"},
		{"in other letters only", `{"ACCESS_TOKEN":"Atza|a","expires_in":3600}`, Passing, "not_oauth"},
		{"with a line end", `{"access_token":"Atza|a\n"}`, Passing, "not_oauth"},
		{"with a blank", `{"access_token":"Atza| a"}`, Passing, "not_oauth"},
		{"beyond ASCII", `{"access_token":"Atza|ä"}`, Passing, "not_oauth"},
		{"of wrong UTF-8", "{\"access_token\":\"Atza|\xff\"}", Passing, "not_oauth"},
		{"too long", `{"access_token":"` + strings.Repeat("x", maxToken+1) + `"}`, Passing, "not_oauth"},
		{"a damaged refresh token", `{"access_token":"Atza|a","refresh_token":"Atzr|\u0007"}`, Passing, "not_oauth"},
		{"a key twice", `{"access_token":"Atza|a","access_token":"Atza|b"}`, Passing, "not_oauth"},
		{"a key twice by escapes", `{"access_token":"Atza|a","access_\u0074oken":"Atza|b"}`, Passing, "not_oauth"},
		{"very deep", `{"x":` + strings.Repeat("[", 20_000), Passing, "not_oauth"},
		{"another kind of token", `{"access_token":"Atza|a","token_type":"mac"}`, Configuration, "token_type"},
		{"an error beside the tokens", `{"error":"server_busy",` + good[1:], Passing, "server_busy"},
	} {
		d := answering(t, http.StatusOK, c.body)
		token, err := d.refreshOnce()
		e := d.failure(err)
		if e.Kind != c.kind || e.Code != c.code || e.Unsent || token != (Token{}) {
			t.Errorf("%s: %+v (kind %d), want kind %d, code %q and no token", c.name, e, e.Kind, c.kind, c.code)
		}
	}
}

func TestAnswersThatAreTokensAllTheSame(t *testing.T) {
	for name, body := range map[string]string{
		"Bearer in capitals":     `{"access_token":"Atza|a","token_type":"BEARER","expires_in":3600}`,
		"no token_type":          `{"access_token":"Atza|a","expires_in":3600}`,
		"unknown members":        `{"x":{"y":[1,2,{"access_token":"no"}]},"access_token":"Atza|a","expires_in":3600,"z":null}`,
		"keys of another case":   `{"Access_Token":"no","access_token":"Atza|a","ACCESS_TOKEN":"no","EXPIRES_IN":1,"expires_in":3600}`,
		"error null":             `{"access_token":"Atza|a","expires_in":3600,"error":null}`,
		"blanks and line ends":   " \r\n{\t\"access_token\" : \"Atza|a\" ,\n\"expires_in\":3600 } \r\n",
		"the longest that there": `{"access_token":"Atza|a","expires_in":3600,"pad":"` + strings.Repeat("x", 60_000) + `"}`,
	} {
		token, err := answering(t, http.StatusOK, body).refreshOnce()
		if err != nil || token.Access.Reveal() != "Atza|a" || token.Life != time.Hour || !token.Refresh.IsZero() {
			t.Errorf("%s: %+v, %v; want the token for an hour", name, token, err)
		}
	}
}

func TestRefreshTokenMayHoldBlanks(t *testing.T) {
	token, err := answering(t, http.StatusOK, `{"access_token":"Atza|a","refresh_token":"with a blank","expires_in":3600}`).refreshOnce()
	if err != nil || token.Refresh.Reveal() != "with a blank" {
		t.Errorf("%+v, %v; RFC 6749 appendix A.17 allows it, and the link is spent by then", token, err)
	}
}

func TestLinkWithoutRefreshTokenNamesTheKindOfClient(t *testing.T) {
	// With Amazon's web clients this is what a missing secret comes to.
	d := newDevice(t, lwatest.Options{}, lwatest.PublicClientID)
	_, err := d.Exchange(t.Context(), d.signIn(), d.attempt)
	e := d.failure(err)
	if e.Kind != Configuration || e.Code != "no_refresh_token" || !strings.Contains(e.Hint, "Web settings") || !strings.Contains(e.Hint, "client_secret_file") || e.Date.IsZero() {
		t.Errorf("%+v, want a configuration failure that names the tab and client_secret_file", e)
	}
}

func TestAnswerWithAnotherContentTypeIsNotAmazons(t *testing.T) {
	const body = `{"access_token":"Atza|a","expires_in":3600}`
	for contentType, good := range map[string]bool{
		"application/json": true, "application/json;charset=UTF-8": true, "APPLICATION/JSON; charset=utf-8": true,
		"text/json": true, "application/problem+json": true,
		"text/html": false, "text/plain; charset=utf-8": false, "application/jsonx": false, "application/x-json-stream": false, "": false, ";;": false,
	} {
		d := answering(t, http.StatusOK, body, "Content-Type", contentType)
		_, err := d.refreshOnce()
		if good && err != nil {
			t.Errorf("content type %q: %v, want the token", contentType, err)
		}
		if !good {
			if e := d.failure(err); e.Kind != Passing || e.Code != "not_oauth" || !strings.Contains(e.Hint, "sign-in page") {
				t.Errorf("content type %q: %+v, want a passing failure that thinks of a captive portal", contentType, e)
			}
		}
	}
}

func TestRetryAfterIsHeldBetweenASecondAndAnHour(t *testing.T) {
	date := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC) // the server's clock; ours is in another century
	at := func(d time.Duration) string { return date.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"120", 2 * time.Minute},
		{"1", time.Second},
		{"0", time.Second},
		{"3600", time.Hour},
		{"86400", time.Hour},
		{"99999999999999999999", time.Hour},
		{"-5", 0},
		{"1.5", 0},
		{"soon", 0},
		{at(90 * time.Second), 90 * time.Second},
		{at(0), time.Second},
		{at(-time.Hour), time.Second},
		{at(48 * time.Hour), time.Hour},
	} {
		for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			d := answering(t, status, "", "Retry-After", c.value, "Date", date.Format(http.TimeFormat))
			_, err := d.refreshOnce()
			if e := d.failure(err); e.Kind != Passing || e.RetryAfter != c.want || !e.Date.Equal(date) {
				t.Errorf("%d with Retry-After %q: wait %v, date %v, kind %d; want %v, %v and passing", status, c.value, e.RetryAfter, e.Date, e.Kind, c.want, date)
			}
		}
	}
	d := answering(t, http.StatusServiceUnavailable, "", "Retry-After", at(90*time.Second))
	if _, err := d.refreshOnce(); d.failure(err).RetryAfter != 0 {
		t.Error("a date without the server's clock was believed: ours may be decades off")
	}
}

// FuzzAnswer reads what a stranger's server may send in place of Amazon.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"access_token":"Atza|a","refresh_token":"Atzr|r","token_type":"bearer","expires_in":3600}`,
		`{"error":"invalid_grant","error_description":"The request has an invalid grant parameter : refresh_token."}`,
		`{"device_code":"d","expires_in":"600","interval":30.0,"user_code":"BEYHYS","verification_uri":"https://amazon.com/us/code"}`,
		`{"a":1,"a":2}`, `{"a":`, `[]`, `{"a":{"b":[1,2,3]}}x`, "{\"\\u0000\":\"\xff\"}", ``,
	} {
		f.Add([]byte(seed), 200)
		f.Add([]byte(seed), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		fields, err := parseAnswer(body)
		if err == nil {
			checkAgainstStandard(t, body, fields)
			for key := range fields {
				if d := fields.life(key); d <= 0 || d > MaxLife {
					t.Errorf("life %v of %s", d, fields[key])
				}
			}
		}
		d := answering(t, status, string(body), "Retry-After", string(body[:min(len(body), 40)]))
		for _, call := range []func() error{
			func() error { _, err := d.refreshOnce(); return err },
			func() error { _, err := d.CodePair(t.Context()); return err },
			func() error { _, err := d.Profile(t.Context(), NewSecret("x")); return err },
		} {
			if err := call(); err != nil {
				checkFailure(t, body, d.failure(err))
			}
		}
	})
}

// checkAgainstStandard holds what was accepted against encoding/json.
func checkAgainstStandard(t *testing.T, body []byte, fields object) {
	var standard map[string]json.RawMessage
	if err := json.Unmarshal(body, &standard); err != nil {
		t.Fatalf("%q was accepted, and is no JSON: %v", body, err)
	}
	if len(standard) != len(fields) {
		t.Errorf("%q has %d members, %d were found", body, len(standard), len(fields))
	}
	for key, value := range fields {
		if !bytes.Equal(bytes.TrimSpace(value), bytes.TrimSpace(standard[key])) {
			t.Errorf("%q: member %q is %s, want %s", body, key, value, standard[key])
		}
	}
}

func checkFailure(t *testing.T, body []byte, e *Error) {
	if e.Unsent {
		t.Errorf("%q counts as never sent, although it is an answer", body)
	}
	if e.RetryAfter < 0 || e.RetryAfter > time.Hour {
		t.Errorf("a wait of %v", e.RetryAfter)
	}
	if len(e.Code) > 40 || len(e.Message) > 200 {
		t.Errorf("%q reaches people as %q: %s", body, e.Code, fmt.Sprintf("%.300s", e.Message))
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "0", "120", "-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", "1e3", "soon"} {
		f.Add(value, "Fri, 31 Dec 1999 23:58:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		server, _ := http.ParseTime(date)
		if wait := retryAfter(value, server); wait != 0 && (wait < time.Second || wait > time.Hour) {
			t.Errorf("Retry-After: %q at %q is a wait of %v, want 1 s to 1 h or none", value, date, wait)
		}
	})
}
