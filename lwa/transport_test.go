package lwa

import (
	"bufio"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// overLoopback puts a device's Amazon behind a real socket and NewTransport.
func overLoopback(t *testing.T, o lwatest.Options) *device {
	t.Helper()
	d := mobile(t, o)
	server := httptest.NewServer(d.sim)
	t.Cleanup(server.Close)
	d.reach(server.URL)
	return d
}

func (d *device) reach(base string) {
	d.Transport = NewTransport()
	d.Endpoints = Endpoints{
		Authorize: base + "/ap/oa", Token: base + "/auth/o2/token", CodePair: base + "/auth/O2/create/codepair", Profile: base + "/user/profile",
	}
}

func TestEveryCallWorksOverARealConnection(t *testing.T) {
	for _, c := range everyCall() {
		d := overLoopback(t, lwatest.Options{})
		if err := c.prepare(d)(t.Context()); err != nil {
			t.Errorf("%s: %v", c.kind, err)
		}
	}
}

func TestBadDaysOfARealConnection(t *testing.T) {
	for _, day := range []badDay{
		{fault: lwatest.ConnectionReset(), code: "network"},
		{fault: lwatest.AnswerLost(), code: "network"},
		{fault: lwatest.Interrupted(), code: "network"},
		{fault: lwatest.Truncated(), code: "not_oauth"},
		{fault: lwatest.Huge(), code: "not_oauth"},
		{fault: lwatest.Portal(), code: "not_oauth"},
		{fault: lwatest.Failing(503), code: "server"},
	} {
		for _, c := range everyCall() {
			d := overLoopback(t, lwatest.Options{})
			call := c.prepare(d)
			d.sim.Fail(day.fault, 1, c.kind)
			if e := d.failure(call(t.Context())); e.Kind != Passing || e.Code != day.code || e.Unsent {
				t.Errorf("%s, %s: %+v; want passing, code %q, and sent for all we know", c.kind, day.fault, e, day.code)
			}
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, c := range everyCall() {
			d := overLoopback(t, lwatest.Options{})
			call := c.prepare(d)
			d.sim.Fail(lwatest.Redirecting(status, thief.URL+"/auth/o2/token"), 1, c.kind)
			if e := d.failure(call(t.Context())); e.Kind != Passing || e.Code != "not_oauth" {
				t.Errorf("%s answered with %d: %+v, want a passing failure", c.kind, status, e)
			}
		}
	}
	if n := stolen.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect, with the secrets in them", n)
	}
}

func TestNothingGoesOutBeforeTheServerIsProven(t *testing.T) {
	sim := lwatest.New(lwatest.Options{})
	own := httptest.NewUnstartedServer(sim) // its certificate is nobody's
	own.Config.ErrorLog = log.New(io.Discard, "", 0)
	own.StartTLS()
	defer own.Close()
	plain := httptest.NewServer(sim)
	defer plain.Close()
	deaf := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	gone := httptest.NewServer(sim)
	gone.Close()

	for name, c := range map[string]struct{ address, code, says string }{
		"unknown certificate": {own.URL, "tls", "did not prove who it is"},
		"no TLS there":        {strings.Replace(plain.URL, "http:", "https:", 1), "network", "cannot reach"},
		"silence at the door": {"https://" + deaf, "timeout", "in time"},
		"nobody listens":      {gone.URL, "network", "connection refused"},
	} {
		d := mobile(t, lwatest.Options{})
		code := d.signIn()
		d.reach(c.address)
		if c.code == "timeout" {
			real := NewTransport()
			real.TLSHandshakeTimeout = 50 * time.Millisecond
			d.Transport = real
		}
		_, err := d.Exchange(t.Context(), code, d.attempt)
		if e := d.failure(err); e.Kind != Passing || e.Code != c.code || !e.Unsent || !strings.Contains(e.Message, c.says) {
			t.Errorf("%s: %+v; want passing, code %q, a message with %q, and unsent: the code is as good as new", name, e, c.code, c.says)
		}
	}
	if n := sim.Count(); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

func TestCertificateOfAnotherTimeIsTheClock(t *testing.T) {
	sim := lwatest.New(lwatest.Options{})
	server := httptest.NewUnstartedServer(sim)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	d := mobile(t, lwatest.Options{})
	d.reach(server.URL)
	real := NewTransport()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	real.TLSClientConfig = &tls.Config{RootCAs: roots, Time: func() time.Time { return time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC) }}
	d.Transport = real
	_, err := d.refreshOnce()
	if e := d.failure(err); e.Kind != Passing || e.Code != "clock" || !e.Unsent || !strings.Contains(e.Hint, "clock") {
		t.Errorf("in 2199: %+v; want a passing failure that names the clock", e)
	}
	again := NewTransport()
	again.TLSClientConfig = &tls.Config{RootCAs: roots}
	d.Transport = again
	_, err = d.refreshOnce()
	if e := d.failure(err); e.Code != "invalid_grant" { // the simulator's word for a token that it never gave
		t.Errorf("with the clock set: %v, want Amazon's own answer", err)
	}
}

// listen runs a server that is no HTTP server, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// What answers in Amazon's place may send back what it was sent: an echo
// service, a debugging proxy.
func TestServerThatEchoesGetsNoSecretIntoTheError(t *testing.T) {
	for name, head := range map[string]string{
		"as it came":       "",
		"as a status line": "HTTP/1.1 ",
		"as a status":      "HTTP/1.1 200 ",
		"as a header":      "HTTP/1.1 200 OK\r\n",
		"as a header name": "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX y",
		"as a length":      "HTTP/1.1 200 OK\r\nContent-Length: ",
		"as an encoding":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: ",
		"as a media type":  "HTTP/1.1 200 OK\r\nContent-Type: ",
		"as a chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		address := listen(t, func(c net.Conn) {
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			body, _ := io.ReadAll(r.Body)
			_, _ = c.Write([]byte(head + string(body) + "\r\n\r\n"))
		})
		d := mobile(t, lwatest.Options{})
		code := d.signIn()
		d.reach("http://" + address)
		_, err := d.Exchange(t.Context(), code, d.attempt)
		e := d.failure(err)
		if e.Kind != Passing || e.Unsent || strings.Contains(e.Error(), "grant_type") {
			t.Errorf("%s: %+v; want a passing failure without anything that the server said", name, e)
		}
	}
}

func TestRequestIsPlainAndComesOnce(t *testing.T) {
	var requests []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		requests = append(requests, r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Set-Cookie", "a=b")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(`{"access_token":"Atza|a","expires_in":3600}`))
		_ = z.Close()
	}))
	defer server.Close()
	d := mobile(t, lwatest.Options{})
	d.reach(server.URL)
	for range 2 {
		_, err := d.refreshOnce()
		if e := d.failure(err); e.Kind != Passing || e.Code != "not_oauth" {
			t.Errorf("a compressed answer that nobody asked for: %+v, want a passing failure", e)
		}
	}
	if len(requests) != 2 || requests[0].RemoteAddr == requests[1].RemoteAddr {
		t.Fatalf("%d requests, want two over a connection each: a dead one would cost a code", len(requests))
	}
	r := requests[1]
	for name, want := range map[string]string{
		"Accept": "application/json", "Accept-Encoding": "", "Content-Type": "application/x-www-form-urlencoded", "User-Agent": "lwa-agent", "Cookie": "", "Authorization": "",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if r.Method != http.MethodPost || r.ProtoMajor != 1 || r.ContentLength <= 0 || len(r.TransferEncoding) != 0 || r.URL.RawQuery != "" {
		t.Errorf("%s %s %s with length %d and %v, want one POST with its length and nothing in the address", r.Method, r.URL, r.Proto, r.ContentLength, r.TransferEncoding)
	}
}
