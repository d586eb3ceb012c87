package lwatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxBody is the longest request that is read, in bytes. The client's longest
// has about 6,000.
const maxBody = 64 << 10

// RoundTripper returns a transport that calls the simulator directly. There is
// no socket and no goroutine, so a testing/synctest bubble can idle while an
// answer is late. The body is read whole before anything is decided; only the
// failures that come before a byte is sent leave it unread.
func (s *Sim) RoundTripper() http.RoundTripper { return roundTripper{s} }

type roundTripper struct{ sim *Sim }

// RoundTrip is http.RoundTripper's.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	defer body.Close()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if f, ok := t.sim.takeUnsent(r); ok {
		if err := wait(ctx, f.Delay); err != nil {
			return nil, err
		}
		return nil, t.sim.unsentError(f.Break, r)
	}
	raw, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	a := t.sim.decide(r, raw)
	if err := wait(ctx, a.delay); err != nil {
		return nil, err
	}
	if a.broken == Reset {
		return nil, errReset()
	}
	if a.broken == Silence {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return a.response(r), nil
}

func errReset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (a answer) length() int64 { return int64(len(a.body)) + a.pad }

// sent is the part of the body that arrives.
func (a answer) sent() io.Reader {
	whole := io.MultiReader(bytes.NewReader(a.body), io.LimitReader(letters{}, a.pad))
	if a.broken == CutOff || a.broken == Stall {
		return io.LimitReader(whole, a.length()/2)
	}
	return whole
}

// letters is as many letters a as one likes.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	p[0] = 'a'
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
	return len(p), nil
}

func (a answer) response(r *http.Request) *http.Response {
	a.header.Set("Content-Length", strconv.FormatInt(a.length(), 10))
	return &http.Response{
		Status:     strings.TrimSpace(strconv.Itoa(a.status) + " " + http.StatusText(a.status)),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        a.header,
		Body:          &wireBody{ctx: r.Context(), rest: a.sent(), broken: a.broken, closed: make(chan struct{})},
		ContentLength: a.length(),
		Request:       r,
	}
}

// wireBody is a response's body that ends with its request's context, as one
// that comes over a connection does.
type wireBody struct {
	ctx    context.Context //nolint:containedctx // the body's life is the request's
	rest   io.Reader
	broken Break
	once   sync.Once
	closed chan struct{}
}

// Read is io.Reader's.
func (b *wireBody) Read(p []byte) (int, error) {
	select {
	case <-b.ctx.Done():
		return 0, context.Cause(b.ctx)
	case <-b.closed:
		return 0, http.ErrBodyReadAfterClose
	default:
	}
	n, err := b.rest.Read(p)
	if b.broken == CutOff && errors.Is(err, io.EOF) {
		return n, io.ErrUnexpectedEOF
	}
	if b.broken != Stall || !errors.Is(err, io.EOF) {
		return n, err
	}
	select {
	case <-b.ctx.Done():
		return n, context.Cause(b.ctx)
	case <-b.closed:
		return n, http.ErrBodyReadAfterClose
	}
}

// Close is io.Closer's.
func (b *wireBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

// ServeHTTP is http.Handler's: the same simulator over a real socket.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f, ok := s.takeUnsent(r); ok {
		_ = wait(r.Context(), f.Delay)
		reset(w)
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the client went away
	}
	a := s.decide(r, raw)
	if wait(r.Context(), a.delay) != nil {
		return
	}
	if a.broken == Reset {
		reset(w)
		return
	}
	if a.broken == Silence {
		<-r.Context().Done()
		return
	}
	a.write(w, r)
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.FormatInt(a.length(), 10))
	w.WriteHeader(a.status)
	if _, err := io.Copy(w, a.sent()); err != nil || a.broken == Whole {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	if a.broken == Stall {
		<-r.Context().Done()
		return
	}
	reset(w)
}

// reset closes the connection so that the peer sees ECONNRESET where TCP allows.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's own way; HTTP/2 knows no hijacking
	}
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = wrapped.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
