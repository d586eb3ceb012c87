package lwatest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Break is a way in which no answer, or only a part of one, arrives.
type Break int

const (
	// Whole is an answer that arrives.
	Whole Break = iota
	// Reset ends the connection after the request was read whole.
	Reset
	// Silence keeps the connection and says nothing until the client goes.
	Silence
	// CutOff ends the connection in the middle of the answer's body.
	CutOff
	// Stall stops in the middle of the answer's body until the client goes.
	Stall
	// NoSuchHost is a failed look-up of the name: nothing is sent.
	NoSuchHost
	// DialRefused is a connection that nobody takes: nothing is sent.
	DialRefused
	// CertificateTooNew is a TLS handshake that fails because the certificate
	// is not valid yet by the device's clock: nothing is sent.
	CertificateTooNew
)

func (b Break) unsent() bool { return b >= NoSuchHost }

// A Fault is what goes wrong with an answer. The zero Fault is the true answer;
// the functions of this package make those that occur in the world.
//
// NoSuchHost, DialRefused and CertificateTooNew are errors of the round-tripper
// that leave the request's body unread, so they strike by address: whichever of
// Exchange, Refresh and Poll they are meant for, each of the three meets them.
// Over a socket, where the dial has already worked, they are a reset before the
// body is read.
type Fault struct {
	// Name stands in Request.Fault.
	Name string
	// Delay passes before anything comes back. The server's work, if it is done,
	// is done before.
	Delay time.Duration
	// Committed lets the server do its work first: the code is spent, the
	// refresh token rotated, and the client does not hear of it. It goes without
	// saying where the true answer is sent, whole or not.
	Committed bool
	// Break is how the connection fails.
	Break Break

	// Refusal is an error body of Amazon's to answer with.
	Refusal Refusal
	// Status of the answer; 0 is the true answer's or the Refusal's.
	Status int
	// Header is set over the answer's.
	Header map[string]string
	// RetryAfter, if not 0, is sent in seconds, or as a date by the server's
	// clock.
	RetryAfter     time.Duration
	RetryAfterDate bool
	// Body takes the place of the answer's, if there is a Status.
	Body string
	// Pad is how many letters a follow the body.
	Pad int64
	// Alter changes the true answer's body.
	Alter func(body []byte) []byte
}

// String returns the fault's name, or something like it.
func (f Fault) String() string {
	if f.Name != "" {
		return f.Name
	}
	return fmt.Sprintf("fault: status %d, break %d, delay %s", f.Status, f.Break, f.Delay)
}

// commits reports whether the server does its work.
func (f Fault) commits() bool {
	return f.Committed || f.answersTruly() && f.Break != Reset && f.Break != Silence
}

func (f Fault) answersTruly() bool { return f.Status == 0 && f.Refusal == NoRefusal }

// After returns the fault with a delay before it.
func (f Fault) After(d time.Duration) Fault {
	f.Delay = d
	return f
}

// AfterWork returns the fault with the server's work done before it.
func (f Fault) AfterWork() Fault {
	f.Committed = true
	return f
}

// queuedFault is a fault with the answers that it is for.
type queuedFault struct {
	Fault
	left  int // below 0: for ever
	kinds []Kind
}

func (q *queuedFault) strikes(kinds ...Kind) bool {
	return len(q.kinds) == 0 || slices.ContainsFunc(kinds, func(k Kind) bool { return slices.Contains(q.kinds, k) })
}

// Fail spoils the next n answers, of the given kinds only, if any are given.
// Below 0 it lasts until Recover. Faults queue up: each answer meets the first
// that is meant for it.
func (s *Sim) Fail(f Fault, n int, kinds ...Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n != 0 {
		s.faults = append(s.faults, &queuedFault{Fault: f, left: n, kinds: kinds})
	}
}

// Recover takes back all faults that have not struck yet.
func (s *Sim) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Sim) takeFault(k Kind) (Fault, bool) {
	for i, q := range s.faults {
		if !q.Break.unsent() && q.strikes(k) {
			return s.use(i), true
		}
	}
	return Fault{}, false
}

func (s *Sim) use(i int) Fault {
	q := s.faults[i]
	if q.left > 0 {
		q.left--
	}
	if q.left == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return q.Fault
}

// takeUnsent returns the fault that keeps a request from being sent, if the
// next one for its address is of that sort.
func (s *Sim) takeUnsent(r *http.Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.faults, func(q *queuedFault) bool { return q.strikes(kindsAt(r.URL.Path)...) })
	if i < 0 || !s.faults[i].Break.unsent() {
		return Fault{}, false
	}
	f := s.use(i)
	s.requests = append(s.requests, &Request{Kind: Unsent, At: s.opts.Now(), Fault: f.String()})
	return f, true
}

// spoil makes the answer that the fault lets through. It holds the lock.
func (s *Sim) spoil(f Fault, a answer) answer {
	switch {
	case f.Refusal != NoRefusal:
		a = *refuse(f.Refusal)
	case f.Status != 0:
		a = answer{body: []byte(f.Body)}
	case f.Alter != nil:
		a.body = f.Alter(bytes.Clone(a.body))
	}
	if f.Status != 0 {
		a.status = f.Status
	}
	if a.header == nil {
		a.header = http.Header{}
	}
	for name, value := range f.Header {
		a.header.Set(name, value)
	}
	if f.RetryAfterDate {
		a.header.Set("Retry-After", s.date(f.RetryAfter))
	} else if f.RetryAfter != 0 {
		a.header.Set("Retry-After", strconv.FormatInt(int64(f.RetryAfter/time.Second), 10))
	}
	a.pad, a.delay, a.broken = f.Pad, f.Delay, f.Break
	return a
}

// unsentError is what net/http's transport returns in the same place.
func (s *Sim) unsentError(b Break, r *http.Request) error {
	host, port := r.URL.Hostname(), r.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(r.URL.Scheme)]
	}
	if b == NoSuchHost {
		return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	}
	if b == CertificateTooNew {
		s.mu.Lock()
		now := s.opts.Now()
		s.mu.Unlock()
		from := now.Add(24 * time.Hour)
		leaf := &x509.Certificate{NotBefore: from, NotAfter: from.AddDate(0, 3, 0), DNSNames: []string{host}}
		return &tls.CertificateVerificationError{
			UnverifiedCertificates: []*x509.Certificate{leaf},
			Err: x509.CertificateInvalidError{
				Cert: leaf, Reason: x509.Expired,
				Detail: fmt.Sprintf("current time %s is before %s", now.Format(time.RFC3339), from.Format(time.RFC3339)),
			},
		}
	}
	n, _ := strconv.Atoi(port)
	return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: n}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}
