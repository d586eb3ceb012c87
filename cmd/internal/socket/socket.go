// Package socket is the agent as other processes see it: what its sockets
// answer, and why one does not.
package socket

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

const (
	// CallTimeout bounds a question to the agent, which itself waits at most
	// 5 s for Amazon.
	CallTimeout = 30 * time.Second

	maxLine = 1 << 20 // bytes of an answer; a status has about 2,000
)

// Socket is one of the agent's. Its methods may be called at the same time.
type Socket struct {
	Path      string
	Transport *http.Transport
}

// New returns the socket at path, with a connection for each question.
func New(path string) *Socket {
	return &Socket{path, &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext:        Dialer(path),
	}}
}

// Dialer is for a transport to path.
func Dialer(path string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

// Refusal is what the agent said instead of doing what it was asked for.
type Refusal struct {
	Status     int // of HTTP
	Code       string
	Message    string
	Hint       string // what to do; may be empty
	RetryAfter string // seconds; may be empty
}

func (r *Refusal) Error() string { return WithHint(r.Message, r.Hint) }

// WithHint is a problem and what to do about it, where there is something.
func WithHint(message, hint string) string {
	if hint == "" {
		return message
	}
	return message + "; " + hint
}

// do asks the agent. The caller closes the body of a 2xx answer; any other is
// a *Refusal.
func (s *Socket) do(ctx context.Context, method, target, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := s.Transport.RoundTrip(req)
	if err != nil {
		return nil, s.unreachable(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxLine))
	var said struct{ Error, Message, Hint string }
	if err != nil || json.Unmarshal(text, &said) != nil || said.Error == "" {
		return nil, fmt.Errorf("what answers at %s is not the agent (%s); see: systemctl status lwa-agent", s.Path, resp.Status)
	}
	return nil, &Refusal{resp.StatusCode, said.Error, cmp.Or(said.Message, said.Error), said.Hint, resp.Header.Get("Retry-After")}
}

// Ask asks the agent and returns its answer. One that is no success is a
// *Refusal, and no answer may be ErrNotRunning.
func (s *Socket) Ask(ctx context.Context, method, target, body string) ([]byte, error) {
	return s.AskFor(ctx, CallTimeout, method, target, body)
}

// AskFor is Ask with another limit, for what takes Amazon's answer.
func (s *Socket) AskFor(ctx context.Context, limit time.Duration, method, target, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	resp, err := s.do(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxLine))
	if err != nil {
		return nil, s.unreachable(err)
	}
	return text, nil
}

// ErrNotRunning passes by itself when the agent starts.
var ErrNotRunning = errors.New("the agent is not running")

// notRunningError is ErrNotRunning with what to do.
type notRunningError string

func (e notRunningError) Error() string        { return string(e) }
func (e notRunningError) Is(target error) bool { return target == ErrNotRunning }

func (s *Socket) missing(why string) error {
	return notRunningError(fmt.Sprintf("the agent is not running (%s %s); start it with: sudo systemctl start lwa-agent", why, s.Path))
}

func (s *Socket) stopped() error {
	return notRunningError(fmt.Sprintf("the agent stopped while it was asked (%s); see: systemctl status lwa-agent", s.Path))
}

// unreachable says why there is no answer from the agent.
func (s *Socket) unreachable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return s.missing("no")
	case errors.Is(err, syscall.ECONNREFUSED):
		return s.missing("nobody answers at")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return s.stopped()
	case errors.Is(err, fs.ErrPermission):
		return denied(s.Path)
	case errors.Is(err, context.DeadlineExceeded):
		return s.silent()
	}
	return fmt.Errorf("the agent cannot be asked at %s: %w", s.Path, err)
}

func (s *Socket) silent() error {
	return fmt.Errorf("the agent does not answer at %s; see: systemctl status lwa-agent", s.Path)
}

// Token asks for the access token, with so much of its life left if possible.
func (s *Socket) Token(ctx context.Context, minValid time.Duration) (string, error) {
	text, err := s.Ask(ctx, http.MethodGet, "/token?min_valid="+minValid.String(), "")
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		return "", errors.New("the agent's answer holds no token; see: systemctl status lwa-agent")
	}
	return answer.Token, nil
}
