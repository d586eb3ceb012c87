package lwatest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

// try sends a refresh that would succeed.
func (w *wire) try(token string) (reply, error) {
	w.t.Helper()
	return w.send(http.MethodPost, "/auth/o2/token", formType,
		values("grant_type", "refresh_token", "refresh_token", token, "client_id", lwatest.MobileClientID).Encode())
}

func TestEachRefusalHasItsBody(t *testing.T) {
	for refusal, c := range map[lwatest.Refusal]struct {
		status     int
		word, text string
	}{
		lwatest.Revoked:         {400, "invalid_grant", "invalid grant parameter : refresh_token"},
		lwatest.SpentCode:       {400, "invalid_grant", "invalid grant parameter : code"},
		lwatest.MalformedCode:   {400, "invalid_request", `{"error_description":"The request has an invalid parameter : code","error":"invalid_request"}`},
		lwatest.MissingSecret:   {400, "invalid_request", `{"error_description":"The request is missing a required parameter : client_secret","error":"invalid_request"}`},
		lwatest.Malformed:       {400, "invalid_request", `"error_description":"Malformed request","error":"invalid_request"}`},
		lwatest.Unsupported:     {400, "unsupported_grant_type", `{"error_description":"The authorization grant type is not supported by the authorization server","error":"unsupported_grant_type"}`},
		lwatest.WrongSecret:     {401, "invalid_client", `{"error_description":"Client authentication failed","error":"invalid_client"}`},
		lwatest.Unauthorized:    {400, "unauthorized_client", "Not authorized for requested operation"},
		lwatest.BadClientID:     {400, "InvalidValue", `{"error_description":"The request has an invalid parameter : client_id","error":"InvalidValue"}`},
		lwatest.ServerError:     {500, "ServerError", ""},
		lwatest.Pending:         {400, "authorization_pending", ""},
		lwatest.SlowDown:        {400, "slow_down", ""},
		lwatest.InvalidCodePair: {400, "invalid_code_pair", ""},
		lwatest.AccessDenied:    {400, "access_denied", ""},
		lwatest.ExpiredToken:    {400, "expired_token", ""},
		lwatest.WrongVerifier:   {400, "invalid_grant", "verifier"},
	} {
		overBoth(t, lwatest.Options{}, func(t *testing.T, w *wire) {
			w.sim.Fail(lwatest.Refusing(refusal), 1)
			got, err := w.try("x")
			if err != nil || got.status != c.status || got.str("error") != c.word || !strings.Contains(got.text, c.text) {
				t.Errorf("%s: answer is %d %s, %v; want %d with %q", c.word, got.status, got.text, err, c.status, c.text)
			}
		})
	}
}

func TestWholeAnswersCanBeWrongInManyWays(t *testing.T) {
	html := "text/html; charset=utf-8"
	for _, c := range []struct {
		fault       lwatest.Fault
		status      int
		contentType string
		check       func(got reply) bool
	}{
		{lwatest.Failing(500), 500, "", func(g reply) bool { return g.text == "" && g.header.Get("Retry-After") == "" }},
		{lwatest.Busy(503, 2*time.Minute), 503, "", func(g reply) bool { return g.header.Get("Retry-After") == "120" }},
		{lwatest.BusyUntil(429, time.Minute), 429, "", func(g reply) bool {
			at, err := http.ParseTime(g.header.Get("Retry-After"))
			date, err2 := http.ParseTime(g.header.Get("Date"))
			return err == nil && err2 == nil && at.Sub(date) == time.Minute
		}},
		{lwatest.BadGateway(), 502, html, nil},
		{lwatest.Portal(), 200, html, nil},
		{lwatest.BadRequestPage(), 400, html, nil},
		{lwatest.Redirecting(302, "http://portal.example/"), 302, "", func(g reply) bool { return g.header.Get("Location") == "http://portal.example/" }},
		{lwatest.Redirecting(307, "https://elsewhere.example/"), 307, "", nil},
		{lwatest.Empty(), 200, "application/json;charset=UTF-8", func(g reply) bool { return g.text == "" }},
		{lwatest.WrongTypes(), 200, "application/json;charset=UTF-8", func(g reply) bool { return g.fields["access_token"] == 12.0 }},
		{lwatest.Truncated(), 200, "application/json;charset=UTF-8", func(g reply) bool { return len(g.text) > 100 && g.fields == nil }},
		{lwatest.OtherCase(), 200, "application/json;charset=UTF-8", func(g reply) bool {
			return strings.HasPrefix(g.str("access_token"), "Atza|") && g.str("ACCESS_TOKEN") == "not-the-token"
		}},
		{lwatest.PlainText(), 200, "text/plain; charset=utf-8", func(g reply) bool { return strings.HasPrefix(g.str("access_token"), "Atza|") }},
		{lwatest.Huge(), 200, "application/json;charset=UTF-8", func(g reply) bool { return g.size > 64<<20 }},
	} {
		t.Run(c.fault.Name, func(t *testing.T) {
			overBoth(t, lwatest.Options{}, func(t *testing.T, w *wire) {
				token := w.link()
				w.sim.Fail(c.fault, 1)
				got, err := w.try(token)
				if err != nil {
					t.Fatalf("no whole answer came: %v", err)
				}
				if got.status != c.status || got.header.Get("Content-Type") != c.contentType || c.check != nil && !c.check(got) {
					t.Errorf("answer is %d %q %.300s; want %d %q", got.status, got.header, got.text, c.status, c.contentType)
				}
				again, err := w.try(token)
				if err != nil {
					t.Fatal(err)
				}
				w.want(again, http.StatusOK, "")
			})
		})
	}
}

func TestConnectionsBreakAfterTheRequestWasRead(t *testing.T) {
	overBoth(t, lwatest.Options{RotateAtOnce: true}, func(t *testing.T, w *wire) {
		token := w.link()
		w.sim.Fail(lwatest.ConnectionReset(), 1)
		if _, err := w.try(token); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
			t.Errorf("error is %v, want a reset connection", err)
		}
		got, err := w.try(token)
		if err != nil {
			t.Fatal(err)
		}
		w.want(got, http.StatusOK, "") // a plain reset rotated nothing
		w.sim.Fail(lwatest.Interrupted(), 1)
		if _, err := w.try(got.str("refresh_token")); err == nil {
			t.Error("the interrupted answer arrived whole")
		}
		last := w.sim.Requests()[w.sim.Count()-1]
		if last.Fault != "interrupted" || last.Refresh == "" || last.Refresh == lwatest.Hash(got.str("refresh_token")) {
			t.Errorf("record is %+v, want a rotation that the client did not hear of", last)
		}
	})
}

// countingBody notices whether anybody reads it.
type countingBody struct {
	io.Reader
	read, closed atomic.Bool
}

func (b *countingBody) Read(p []byte) (int, error) {
	b.read.Store(true)
	return b.Reader.Read(p)
}

func (b *countingBody) Close() error {
	b.closed.Store(true)
	return nil
}

func TestFailuresBeforeTheFirstByteLeaveTheBodyUnread(t *testing.T) {
	for _, c := range []struct {
		fault lwatest.Fault
		right func(error) bool
	}{
		{lwatest.NameLookupFails(), func(err error) bool {
			dns, ok := errors.AsType[*net.DNSError](err)
			op, isOp := errors.AsType[*net.OpError](err)
			return ok && dns.IsNotFound && dns.Name == "api.amazon.com" && isOp && op.Op == "dial"
		}},
		{lwatest.DialFails(), func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{lwatest.CertificateNotYetValid(), func(err error) bool {
			verification, ok := errors.AsType[*tls.CertificateVerificationError](err)
			invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
			return ok && verification.UnverifiedCertificates[0].NotBefore.After(time.Now()) && isInvalid && invalid.Reason == x509.Expired
		}},
	} {
		w := direct(t, lwatest.Options{})
		w.sim.Fail(c.fault, 1, lwatest.Exchange)
		for _, wantRead := range []bool{false, true} {
			body := &countingBody{Reader: strings.NewReader("grant_type=authorization_code")}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/auth/o2/token", body)
			if err != nil {
				t.Fatal(err)
			}
			_, err = w.do(req)
			if wantRead != (err == nil) || err != nil && !c.right(err) {
				t.Errorf("%s: error is %#v", c.fault, err)
			}
			if body.read.Load() != wantRead || !body.closed.Load() {
				t.Errorf("%s: body read %t, closed %t; want read %t and always closed", c.fault, body.read.Load(), body.closed.Load(), wantRead)
			}
		}
		if unsent, all := w.sim.Count(lwatest.Unsent), w.sim.Count(); unsent != 1 || all != 1 {
			t.Errorf("%s: counted %d unsent and %d arrived, want 1 and 1", c.fault, unsent, all)
		}
	}
}

func TestUnsentRequestIsAResetOverASocket(t *testing.T) {
	w := overSocket(t, lwatest.Options{})
	w.sim.Fail(lwatest.DialFails(), 1)
	if _, err := w.try("x"); err == nil {
		t.Error("an answer came")
	}
	if n := w.sim.Count(lwatest.Refresh); n != 0 {
		t.Errorf("%d refreshes arrived, want none", n)
	}
}

func TestLateAnswerTakesItsTimeAndWorksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := direct(t, lwatest.Options{RotateAtOnce: true})
		token := w.link()
		w.sim.Fail(lwatest.Late(90*time.Second), 1)
		start := time.Now()
		got, err := w.try(token)
		if took := time.Since(start); err != nil || took != 90*time.Second {
			t.Fatalf("answer came after %s, %v; want 90 s", took, err)
		}
		token = got.str("refresh_token")

		w.sim.Fail(lwatest.Late(time.Minute), 1)
		if took, err := w.tryFor(30*time.Second, token); took != 30*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("gave up after %s with %v, want the deadline of 30 s", took, err)
		}
		refused, err := w.try(token)
		if err != nil {
			t.Fatal(err)
		}
		w.want(refused, http.StatusBadRequest, "invalid_grant") // rotated all the same
	})
}

func TestSilenceLastsUntilTheClientGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := direct(t, lwatest.Options{RotateAtOnce: true})
		token := w.link()
		for _, fault := range []lwatest.Fault{lwatest.Silent(), lwatest.Silent().After(time.Hour), lwatest.NameLookupFails().After(time.Hour)} {
			w.sim.Fail(fault, 1)
			if took, err := w.tryFor(30*time.Second, token); took != 30*time.Second || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: gave up after %s with %v, want the deadline of 30 s", fault, took, err)
			}
		}
		w.sim.Fail(lwatest.Failing(500).After(2*time.Second), 1)
		if took, err := w.tryFor(30*time.Second, token); took != 2*time.Second || err != nil {
			t.Errorf("late 500 came after %s, %v; want 2 s", took, err)
		}
		w.sim.Fail(lwatest.Stalled(), 1)
		if took, err := w.tryFor(30*time.Second, token); took != 30*time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stalled body: gave up after %s with %v, want the deadline of 30 s", took, err)
		}
	})
}

func TestSilentSocketEndsWithItsClient(t *testing.T) {
	w := overSocket(t, lwatest.Options{})
	token := w.link()
	for _, fault := range []lwatest.Fault{lwatest.Silent(), lwatest.Stalled(), lwatest.Late(time.Hour)} {
		w.sim.Fail(fault, 1)
		if _, err := w.tryFor(100*time.Millisecond, token); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error is %v, want the client's deadline", fault, err)
		}
	}
}

// tryFor is try with a deadline; it returns how long it took.
func (w *wire) tryFor(d time.Duration, token string) (time.Duration, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	body := values("grant_type", "refresh_token", "refresh_token", token, "client_id", lwatest.MobileClientID).Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+"/auth/o2/token", strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", formType)
	start := time.Now()
	_, err = w.do(req)
	return time.Since(start), err
}

func TestFaultsStrikeTheirKindInTurnAndAsOftenAsAsked(t *testing.T) {
	w := direct(t, lwatest.Options{})
	token := w.link()
	w.sim.Fail(lwatest.Failing(503), 2, lwatest.Refresh)
	w.sim.Fail(lwatest.Failing(504), -1, lwatest.Refresh, lwatest.Exchange)
	w.want(w.codePair(lwatest.DeviceClientID), http.StatusOK, "")
	for i, want := range []int{503, 503, 504, 504} {
		if got, err := w.try(token); err != nil || got.status != want {
			t.Errorf("try %d: status %d, %v; want %d", i, got.status, err, want)
		}
	}
	code := w.signIn(lwatest.MobileClientID)
	w.want(w.exchange(lwatest.MobileClientID, code), 504, "")
	w.sim.Recover()
	w.want(w.exchange(lwatest.MobileClientID, code), http.StatusOK, "") // the 504 had spent nothing
	w.wantViolations("sent twice")                                      // but the client could not know

	code = w.signIn(lwatest.MobileClientID)
	w.sim.Fail(lwatest.Failing(504).AfterWork(), 1, lwatest.Exchange)
	w.want(w.exchange(lwatest.MobileClientID, code), 504, "")
	w.want(w.exchange(lwatest.MobileClientID, code), http.StatusBadRequest, "invalid_grant")
}
