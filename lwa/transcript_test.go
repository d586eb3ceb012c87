package lwa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"lwa-agent/lwa/lwatest"
)

// recordCall makes a call of a device whose server fails, and returns what was
// written down of it.
func recordCall(t *testing.T, c preparedCall, fault lwatest.Fault) (string, *Error, []string) {
	t.Helper()
	d := mobile(t, lwatest.Options{})
	call := c.prepare(d)
	d.sim.Fail(fault, 1, c.kind)
	var text bytes.Buffer
	transcript := NewTranscript(&text)
	d.Transport = transcript.Through(d.Transport)
	err := call(t.Context())
	if err := transcript.Err(); err != nil {
		t.Error(err)
	}
	e, _ := errors.AsType[*Error](err)
	return text.String(), e, d.secrets
}

func replayOf(t *testing.T, text string) *lwatest.Replay {
	t.Helper()
	replay, err := lwatest.ReadTranscript(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return replay
}

func wantNoSecret(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(text, s) || strings.Contains(text, url.QueryEscape(s)) {
			t.Errorf("the transcript holds %q, and it is meant to be shown to everybody:\n%s", s, text)
		}
	}
}

// TestEveryBadDayIsReplayed: what one client met, another meets again.
func TestEveryBadDayIsReplayed(t *testing.T) {
	faults := []lwatest.Fault{lwatest.WrongTypes()}
	for _, day := range badDays() {
		faults = append(faults, day.fault)
	}
	for refusal := lwatest.Revoked; refusal <= lwatest.WrongVerifier; refusal++ {
		faults = append(faults, lwatest.Fault{Name: fmt.Sprintf("refusal %d", refusal), Refusal: refusal})
	}
	for _, c := range everyCall() {
		for _, fault := range faults {
			t.Run(fmt.Sprintf("%s/%s", c.kind, fault), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					text, want, secrets := recordCall(t, c, fault)
					wantNoSecret(t, text, secrets...)
					again := mobile(t, lwatest.Options{})
					call := c.prepare(again)
					replay := replayOf(t, text)
					again.Transport = replay.RoundTripper()
					err := call(t.Context())
					got, _ := errors.AsType[*Error](err)
					if (got == nil) != (want == nil) || got != nil && (*got != *want) {
						t.Errorf("replayed %+v, recorded %+v, by\n%s", got, want, text)
					}
					if differences := replay.Differences(); len(differences) > 0 || replay.Left() > 0 {
						t.Errorf("%d answers are left and %q, although the client did the same again", replay.Left(), differences)
					}
				})
			})
		}
	}
}

// life is what a device does from the sign-in to the removal of the app: in
// the words that a person would see.
func life(t *testing.T, c *Client, code Secret, a Attempt, between func()) []string {
	t.Helper()
	var said []string
	note := func(what string, token Token, err error) {
		said = append(said, fmt.Sprintf("%s: %v, lives %v, %d and %d bytes, rotated to %q", what, err, token.Life,
			len(token.Access.Reveal()), len(token.Refresh.Reveal()), commonPrefix(token.Refresh.Reveal())))
	}
	first, err := c.Exchange(t.Context(), code, a)
	note("exchange", first, err)
	second, err := c.Refresh(t.Context(), first.Refresh)
	note("refresh", second, err)
	name, err := c.Profile(t.Context(), second.Access)
	said = append(said, fmt.Sprintf("profile: %d bytes, %v", len(name), err))
	third, err := c.Refresh(t.Context(), second.Refresh)
	note("refresh", third, err)
	between()
	last, err := c.Refresh(t.Context(), third.Refresh)
	note("removed", last, err)
	return said
}

func TestLifeThatWasRecordedIsLivedAgain(t *testing.T) {
	d := mobile(t, lwatest.Options{Rotate: true})
	var text bytes.Buffer
	code := d.signIn()
	d.Transport = NewTranscript(&text).Through(d.Transport)
	want := life(t, d.Client, code, d.attempt, d.sim.RemoveApp)
	wantNoSecret(t, text.String(), append(d.secrets, "Jo", "example.com", "AGSIMULATED", lwatest.MobileClientID)...)

	for _, over := range []string{"a round-tripper", "a socket"} {
		replay := replayOf(t, text.String())
		c := *d.Client
		c.Transport = replay.RoundTripper()
		if over == "a socket" {
			server := httptest.NewServer(replay)
			defer server.Close()
			c.Endpoints = Endpoints{Token: server.URL + "/auth/o2/token", Profile: server.URL + "/user/profile"}
			c.Transport = NewTransport()
		}
		got := life(t, &c, NewSecret("ANOTHERCODEBUTASLONG"), d.attempt, func() {})
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("over %s it went\n%s\nand it was recorded as\n%s", over, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if differences := replay.Differences(); len(differences) > 0 || replay.Left() > 0 {
			t.Errorf("over %s %d answers are left and %q", over, replay.Left(), differences)
		}
	}
}

func TestReplaySeesAClientThatForgetsARotatedToken(t *testing.T) {
	d := mobile(t, lwatest.Options{Rotate: true})
	var text bytes.Buffer
	code := d.signIn()
	d.Transport = NewTranscript(&text).Through(d.Transport)
	life(t, d.Client, code, d.attempt, d.sim.RemoveApp)

	replay := replayOf(t, text.String())
	d.Transport = replay.RoundTripper()
	first, err := d.Exchange(t.Context(), code, d.attempt)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := d.Refresh(t.Context(), first.Refresh); err != nil {
			t.Fatal(err)
		}
	}
	if got := replay.Differences(); len(got) != 1 || !strings.Contains(got[0], "another refresh_token than") {
		t.Errorf("differences %q, want the one that the old token was sent again: such a client loses its link", got)
	}
	never := httptest.NewRecorder()
	replay.ServeHTTP(never, httptest.NewRequest(http.MethodGet, "https://api.amazon.com/else", nil))
	if never.Code != http.StatusNotImplemented {
		t.Errorf("what was never recorded is answered with %d; want 501", never.Code)
	}
}

func TestPairThatWasRecordedCanBePolled(t *testing.T) {
	pairing := func(c *Client) (said []string, pair Pair) {
		pair, err := c.CodePair(t.Context())
		said = append(said, fmt.Sprintf("pair: %v, %d and %d bytes, %s, %v, %v", err, len(pair.UserCode), len(pair.DeviceCode.Reveal()), pair.VerificationURI, pair.Interval, pair.Life))
		_, err = c.Poll(t.Context(), pair)
		return append(said, fmt.Sprintf("poll: %v", err)), pair
	}
	d := newDevice(t, lwatest.Options{}, lwatest.DeviceClientID)
	d.ProductID, d.SerialNumber, d.Scopes = "Kitchen", "SN0001", []string{"alexa:all"}
	var text bytes.Buffer
	d.Transport = NewTranscript(&text).Through(d.Transport)
	want, pair := pairing(d.Client)
	wantNoSecret(t, text.String(), pair.UserCode, pair.DeviceCode.Reveal(), "Kitchen", "SN0001")

	replay := replayOf(t, text.String())
	d.Transport = replay.RoundTripper()
	got, _ := pairing(d.Client)
	if strings.Join(got, "\n") != strings.Join(want, "\n") || len(replay.Differences()) > 0 {
		t.Errorf("replayed %q with %q, recorded %q", got, replay.Differences(), want)
	}
}

// echo is a server that sends back what it got, wherever it can.
type echo struct{ form, contentType string }

func (e echo) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, _ := io.ReadAll(r.Body)
	got, _ := url.ParseQuery(string(sent))
	body := strings.ReplaceAll(e.form, "TOKEN", got.Get("refresh_token"))
	header := http.Header{"Content-Type": {e.contentType}, "Location": {"https://portal.example/" + got.Get("refresh_token")}, "Pragma": {got.Get("refresh_token")}}
	return &http.Response{StatusCode: 400, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestServerThatSendsBackWhatItGotDoesNotGetItIntoTheTranscript(t *testing.T) {
	const secret = "Atzr|IwEBIhAFsecretsecret"
	for _, body := range []string{
		`{"error":"invalid_grant","error_description":"no TOKEN"}`,
		`{"error":"TOKEN"}`,
		`{"TOKEN":1}`,
		`{"error":"invalid_grant","TOKEN":{"a":["TOKEN"]}}`,
		`{"error":"invalid_grant" TOKEN}`,
		`{"error":"TOKEN`,
		`{"token_type":"TOKEN","scope":"TOKEN","verification_uri":"https://x.example/TOKEN","expires_in":"TOKEN"}`,
		`<html>TOKEN</html>`,
		`{"error":"x\"TOKEN"}`,
		"TOKEN", "", "{",
	} {
		var text bytes.Buffer
		c := Client{ID: lwatest.MobileClientID, Endpoints: Endpoints{Token: "https://api.amazon.com/auth/o2/token"}, Transport: NewTranscript(&text).Through(echo{body, "application/json; x=" + secret})}
		_, want := c.Refresh(t.Context(), NewSecret(secret))
		wantNoSecret(t, text.String(), secret, "secretsecret")
		c.Transport = replayOf(t, text.String()).RoundTripper()
		_, got := c.Refresh(t.Context(), NewSecret(secret))
		if kind := func(err error) Kind { e, _ := errors.AsType[*Error](err); return e.Kind }; kind(got) != kind(want) {
			t.Errorf("%s: replayed %v, recorded %v", body, got, want)
		}
	}
}

// TestWhoIsNamedByAServerIsNotInTheTranscript: of an answer, nothing tells what was
// never sent.
func TestWhoIsNamedByAServerIsNotInTheTranscript(t *testing.T) {
	for _, body := range []string{
		`{"error":"jo@example.com is unknown"}`, `{"error":"no account of Jo"}`,
		`{"error":"invalid_grant","error_description":"gone: jo@example.com"}`,
		`{"error":"invalid_grant","name":"Jo","detail":{"of":"jo@example.com"}}`,
	} {
		var text bytes.Buffer
		c := Client{ID: lwatest.MobileClientID, Endpoints: Endpoints{Token: "https://api.amazon.com/auth/o2/token"}, Transport: NewTranscript(&text).Through(echo{body, "application/json"})}
		if _, err := c.Refresh(t.Context(), NewSecret("Atzr|IwEBIhush")); err == nil {
			t.Errorf("%s is no error", body)
		}
		wantNoSecret(t, text.String(), "Jo", "example.com")
	}
}

type brokenFile struct{}

func (brokenFile) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestTranscriptThatCannotBeWrittenCostsNoAnswer(t *testing.T) {
	d := mobile(t, lwatest.Options{})
	transcript := NewTranscript(brokenFile{})
	d.Transport = transcript.Through(d.Transport)
	d.link()
	if err := transcript.Err(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v; somebody would send a file that lacks the answer", err)
	}
}

func TestTranscribedCallThatIsCalledOffEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := mobile(t, lwatest.Options{})
		token := d.link()
		var text bytes.Buffer
		d.Transport = NewTranscript(&text).Through(d.Transport)
		d.sim.Fail(lwatest.Stalled(), 1)
		ctx, cancel := context.WithTimeout(t.Context(), CallTimeout/2)
		defer cancel()
		if _, err := d.Refresh(ctx, token.Refresh); d.failure(err).Code != "timeout" || !strings.Contains(text.String(), `"failed":"timeout"`) {
			t.Errorf("%v, transcript %s", err, text.String())
		}
	})
}
