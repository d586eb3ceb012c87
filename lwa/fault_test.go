package lwa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

// badDay is a fault and what a call that meets it must come to.
type badDay struct {
	fault  lwatest.Fault
	code   string        // the error's; "" for no error
	unsent bool          // provably nothing went out
	after  time.Duration // when the call ends
	retry  time.Duration
}

func badDays() []badDay {
	html := "not_oauth"
	days := []badDay{
		{fault: lwatest.BadGateway(), code: "server"},
		{fault: lwatest.BadRequestPage(), code: html},
		{fault: lwatest.Portal(), code: html},
		{fault: lwatest.Redirecting(302, "https://portal.example/"), code: html},
		{fault: lwatest.Redirecting(307, "https://portal.example/"), code: html},
		{fault: lwatest.Truncated(), code: html},
		{fault: lwatest.Empty(), code: html},
		{fault: lwatest.Huge(), code: html},
		{fault: lwatest.PlainText(), code: html},
		{fault: lwatest.OtherCase(), code: ""},
		{fault: lwatest.Interrupted(), code: "network"},
		{fault: lwatest.ConnectionReset(), code: "network"},
		{fault: lwatest.AnswerLost(), code: "network"},
		{fault: lwatest.Stalled(), code: "timeout", after: CallTimeout},
		{fault: lwatest.Silent(), code: "timeout", after: CallTimeout},
		{fault: lwatest.Late(CallTimeout - 1), code: "", after: CallTimeout - 1},
		{fault: lwatest.Late(CallTimeout + 1), code: "timeout", after: CallTimeout},
		{fault: lwatest.Late(90 * time.Second), code: "timeout", after: CallTimeout},
		{fault: lwatest.Portal().After(2 * time.Second), code: html, after: 2 * time.Second},
		{fault: lwatest.NameLookupFails(), code: "network", unsent: true},
		{fault: lwatest.DialFails(), code: "network", unsent: true},
		{fault: lwatest.CertificateNotYetValid(), code: "clock", unsent: true},
		{fault: lwatest.DialFails().After(20 * time.Second), code: "network", unsent: true, after: 20 * time.Second},
		{fault: lwatest.DialFails().After(time.Hour), code: "timeout", unsent: true, after: CallTimeout},
		{fault: lwatest.Busy(503, 90*time.Second), code: "server", retry: 90 * time.Second},
		{fault: lwatest.Busy(429, 24*time.Hour), code: "server", retry: time.Hour},
		{fault: lwatest.BusyUntil(503, 90*time.Second), code: "server", retry: 90 * time.Second},
		{fault: lwatest.BusyUntil(429, -time.Hour), code: "server", retry: time.Second},
	}
	for _, status := range []int{500, 502, 503, 504, 429} {
		days = append(days, badDay{fault: lwatest.Failing(status), code: "server"})
	}
	for _, status := range []int{204, 400, 401, 403, 404, 408} {
		days = append(days, badDay{fault: lwatest.Failing(status), code: html})
	}
	return days
}

func TestEveryBadDayPasses(t *testing.T) {
	for _, c := range everyCall() {
		for _, day := range badDays() {
			t.Run(fmt.Sprintf("%s/%s after %s", c.kind, day.fault, day.fault.Delay), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testBadDay(t, c, day) })
			})
		}
	}
}

func testBadDay(t *testing.T, c preparedCall, day badDay) {
	d := mobile(t, lwatest.Options{Skew: 40 * 24 * time.Hour}) // whatever the device believes the time to be
	call := c.prepare(d)
	d.sim.Fail(day.fault, 1, c.kind)
	before, start := d.sim.Count(c.kind, lwatest.Unsent), time.Now()
	err := call(t.Context())
	if took := time.Since(start); took != day.after {
		t.Errorf("the call took %v, want %v", took, day.after)
	}
	if n := d.sim.Count(c.kind, lwatest.Unsent) - before; n != 1 {
		t.Errorf("%d requests for one call: the second one would burn the code", n)
	}
	if day.code == "" {
		if err != nil {
			t.Errorf("%v, want success", err)
		}
		return
	}
	e := d.failure(err)
	wantUnsent := day.unsent && c.kind != lwatest.Profile // it has no body that could prove it, and no code to save
	if e.Kind != Passing || e.Code != day.code || e.Unsent != wantUnsent || e.RetryAfter != day.retry {
		t.Errorf("%+v (kind %d); want passing, code %q, unsent %t, retry after %v", e, e.Kind, day.code, wantUnsent, day.retry)
	}
	if again := strings.Contains(e.Hint, "by itself"); again == (c.kind == lwatest.Exchange && !e.Unsent) {
		t.Errorf("hint %q: a code that may be used up is not tried again, everything else is", e.Hint)
	}
	if c.kind == lwatest.Exchange && e.Unsent {
		if err := call(t.Context()); err != nil {
			t.Errorf("the code that never left does not work any more: %v", err)
		}
	}
}

func TestWrongTypesPassOrNameNobody(t *testing.T) {
	for _, c := range everyCall() {
		d := mobile(t, lwatest.Options{})
		call := c.prepare(d)
		d.sim.Fail(lwatest.WrongTypes(), 1, c.kind)
		err := call(t.Context())
		if c.kind == lwatest.Profile {
			if e, is := errors.AsType[*Error](err); is {
				t.Errorf("profile without a name: %v, want no name and no failure", e)
			}
			continue
		}
		if e := d.failure(err); e.Kind != Passing || e.Code != "not_oauth" || e.Unsent {
			t.Errorf("%s with wrong types: %+v, want a passing failure", c.kind, e)
		}
	}
}

func TestCallThatIsCalledOffEndsAtOnce(t *testing.T) {
	for _, c := range everyCall() {
		synctest.Test(t, func(t *testing.T) {
			d := mobile(t, lwatest.Options{})
			call := c.prepare(d)
			d.sim.Fail(lwatest.Silent(), 1, c.kind)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(7*time.Second, cancel)
			start := time.Now()
			e := d.failure(call(ctx))
			if took := time.Since(start); took != 7*time.Second || e.Kind != Passing || e.Unsent {
				t.Errorf("%s: %+v after %v, want a passing failure after 7s", c.kind, e, took)
			}
			over, cancel2 := context.WithCancel(t.Context())
			cancel2()
			if e := d.failure(call(over)); e.Unsent == (c.kind == lwatest.Profile) {
				t.Errorf("%s: %+v; the call was over before it began, so nothing was sent", c.kind, e)
			}
		})
	}
}

// meter counts what is read of answers.
type meter struct {
	http.RoundTripper
	bytes  int64
	closed bool
}

type meteredBody struct {
	io.ReadCloser
	*meter
}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := m.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = meteredBody{resp.Body, m}
	}
	return resp, err
}

func (b meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	return n, err
}

func (b meteredBody) Close() error {
	b.closed = true
	return b.ReadCloser.Close()
}

func TestSixtyFourMebibytesAreNotRead(t *testing.T) {
	for _, c := range everyCall() {
		for _, status := range []int{200, 400, 500} {
			d := mobile(t, lwatest.Options{})
			call := c.prepare(d)
			m := &meter{RoundTripper: d.Transport}
			d.Transport = m
			fault := lwatest.Huge()
			fault.Status = status
			d.sim.Fail(fault, 1, c.kind)
			if e := d.failure(call(t.Context())); e.Kind != Passing {
				t.Errorf("%s: %+v", c.kind, e)
			}
			if m.bytes > maxAnswer+1 || !m.closed {
				t.Errorf("%s: %d bytes of a huge %d were read, closed %t; want at most 64 KiB and one byte", c.kind, m.bytes, status, m.closed)
			}
		}
	}
}

func TestLongestAnswerIsSixtyFourKiB(t *testing.T) {
	for size, good := range map[int]bool{maxAnswer: true, maxAnswer + 1: false} {
		const head, tail = `{"access_token":"Atza|a","expires_in":3600,"pad":"`, `"}`
		d := answering(t, http.StatusOK, head+strings.Repeat("x", size-len(head)-len(tail))+tail)
		if _, err := d.refreshOnce(); (err == nil) != good {
			t.Errorf("an answer of %d bytes: %v", size, err)
		}
	}
}

// hoarder is a transport that goes on with a request's body after it has
// returned, as net/http's may.
type hoarder struct {
	start chan struct{}
	got   chan int
}

func (h hoarder) RoundTrip(r *http.Request) (*http.Response, error) {
	go func() {
		<-h.start
		text, _ := io.ReadAll(r.Body)
		h.got <- len(text)
	}()
	return nil, errors.New("the transport gave up")
}

func TestUnsentStaysTrueWhateverTheTransportDoesLater(t *testing.T) {
	d := mobile(t, lwatest.Options{})
	code := d.signIn()
	unsent := 0
	for range 500 {
		h := hoarder{make(chan struct{}), make(chan int, 1)}
		d.Transport = h
		var during sync.WaitGroup
		during.Go(func() { close(h.start) })
		_, err := d.Exchange(t.Context(), code, d.attempt)
		during.Wait()
		sent := <-h.got
		if e := d.failure(err); e.Unsent {
			unsent++
			if sent != 0 {
				t.Fatalf("the code counts as never sent, and the transport got %d bytes: it would be sent twice", sent)
			}
		}
	}
	if unsent == 0 {
		t.Error("no call ended before its body was read, so nothing was tested")
	}
}
