package lwatest

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// hidden matches what stands in a transcript in place of a secret: the
// beginning that all of its kind have, the kind, the length, the hash.
func hidden() *regexp.Regexp {
	return regexp.MustCompile(`(At[zn][ar]\||amzn1\.[a-z0-9-]+\.(?:v1\.)?)?\[([a-z_]+) (\d+) ([0-9a-f]{8})\]`)
}

// longest is the longest secret that is made up, in bytes: what a client reads
// at most, and a little more.
const longest = 128 << 10

// answer is what was recorded, with secrets made up. A line that is not there is
// 501, which no client takes for Amazon's.
func (p *Replay) answer(s spoken, found bool) answer {
	if !found {
		return answer{status: http.StatusNotImplemented, header: http.Header{}, body: []byte("nothing is recorded for this\n")}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := answer{status: s.Status, header: http.Header{}}
	for name, value := range s.Header {
		a.header.Set(name, p.reveal(value))
	}
	a.body = []byte(p.reveal(s.Body))
	if s.Failed != "" {
		// Half of what is promised arrives: all that is recorded.
		a.broken, a.pad = CutOff, max(int64(len(a.body)), 1)
		if s.Failed == "timeout" {
			a.broken = Stall
		}
	}
	return a
}

func (p *Replay) reveal(text string) string {
	pattern := hidden()
	return pattern.ReplaceAllStringFunc(text, func(mark string) string {
		m := pattern.FindStringSubmatch(mark)
		if made, already := p.given[m[4]]; already {
			return made
		}
		length, err := strconv.Atoi(m[3])
		if err != nil || length > longest {
			length = longest
		}
		p.given[m[4]] = filled(m[1], m[4], length)
		return p.given[m[4]]
	})
}

// filled is prefix with letters behind it that depend on the hash alone.
func filled(prefix, hash string, length int) string {
	var text strings.Builder
	text.WriteString(prefix)
	for n := 0; text.Len() < length; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", hash, n))
		text.WriteString(base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	return text.String()[:length]
}

// failureOf is what net/http's transport returned when word was recorded.
func failureOf(word string, r *http.Request) error {
	host := r.URL.Hostname()
	leaf := &x509.Certificate{DNSNames: []string{"recorded.invalid"}}
	unverified := func(err error) error {
		return &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{leaf}, Err: err}
	}
	text, isErrno := strings.CutPrefix(word, "errno ")
	switch {
	case word == "certificate_time":
		return unverified(x509.CertificateInvalidError{Cert: leaf, Reason: x509.Expired})
	case word == "certificate_name":
		return unverified(x509.HostnameError{Certificate: leaf, Host: host})
	case word == "certificate_authority":
		return unverified(x509.UnknownAuthorityError{Cert: leaf})
	case word == "certificate":
		return unverified(x509.CertificateInvalidError{Cert: leaf, Reason: x509.NotAuthorizedToSign})
	case word == "dns":
		return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}}
	case word == "timeout":
		return &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	case word == "eof":
		return io.ErrUnexpectedEOF
	case word == "not_https":
		return http.ErrSchemeMismatch
	case isErrno:
		for number := syscall.Errno(1); number < 200; number++ {
			if number.Error() == text {
				return &net.OpError{Op: "read", Net: "tcp", Err: number}
			}
		}
	}
	return errors.New("what was recorded is no answer")
}
