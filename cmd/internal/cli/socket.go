package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
)

const (
	socketName = "agent.sock"

	// callTimeout bounds a question to the agent, which itself waits at most
	// 5 s for Amazon.
	callTimeout = 30 * time.Second
	// reconnectEvery is how often an agent that is not there is looked for.
	reconnectEvery = 250 * time.Millisecond
	maxLine        = 1 << 20 // bytes of an answer; a status has about 2,000
)

// socket is the agent, seen from outside.
type socket struct {
	path      string
	transport *http.Transport
}

func (a *app) socket() *socket {
	return newSocket(filepath.Join(config.RuntimeDir(a.configPath), socketName))
}

func newSocket(path string) *socket {
	return &socket{path, &http.Transport{
		DisableKeepAlives:  true,
		DisableCompression: true,
		DialContext:        dialer(path),
	}}
}

func dialer(path string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

// answerError is what the agent said instead of doing what it was asked for.
type answerError struct {
	status     int
	code       string
	message    string
	hint       string
	retryAfter string // seconds
}

func (e *answerError) Error() string {
	if e.hint == "" {
		return e.message
	}
	return e.message + "; " + e.hint
}

// do asks the agent. The caller closes the body of a 2xx answer; any other is
// an *answerError.
func (s *socket) do(ctx context.Context, method, target, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := s.transport.RoundTrip(req)
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
		return nil, fmt.Errorf("what answers at %s is not the agent (%s); see: systemctl status lwa-agent", s.path, resp.Status)
	}
	e := &answerError{status: resp.StatusCode, code: said.Error, message: said.Message, hint: said.Hint, retryAfter: resp.Header.Get("Retry-After")}
	if e.message == "" {
		e.message = said.Error
	}
	return nil, e
}

// call is do for a short answer.
func (s *socket) call(ctx context.Context, method, target, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
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

// errNotRunning passes by itself when the agent starts.
var errNotRunning = errors.New("the agent is not running")

// notRunningError is errNotRunning with what to do.
type notRunningError string

func (e notRunningError) Error() string        { return string(e) }
func (e notRunningError) Is(target error) bool { return target == errNotRunning }

func (s *socket) missing(why string) error {
	return notRunningError(fmt.Sprintf("the agent is not running (%s %s); start it with: systemctl start lwa-agent", why, s.path))
}

func (s *socket) stopped() error {
	return notRunningError(fmt.Sprintf("the agent stopped while it was asked (%s); see: systemctl status lwa-agent", s.path))
}

// unreachable says why there is no answer from the agent.
func (s *socket) unreachable(err error) error {
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
		return denied(s.path)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the agent does not answer at %s; see: systemctl status lwa-agent", s.path)
	}
	return fmt.Errorf("the agent cannot be asked at %s: %w", s.path, err)
}

// update is one status of the agent, or why there is none now.
type update struct {
	line   []byte // as it came, without the newline
	status agent.Status
	err    error
}

// follow sends each status, reconnecting for ever: when the agent stops it
// sends an error that is errNotRunning, again with each attempt. After any
// other error it ends. The channel is never closed; ctx ends everything.
func (s *socket) follow(ctx context.Context) <-chan update {
	updates := make(chan update)
	send := func(u update) bool {
		select {
		case updates <- u:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		for {
			err := s.events(ctx, send)
			if !send(update{err: err}) || !errors.Is(err, errNotRunning) || !pause(ctx, reconnectEvery) {
				return
			}
		}
	}()
	return updates
}

// events sends what one connection brings until it ends.
func (s *socket) events(ctx context.Context, send func(update) bool) error {
	resp, err := s.do(ctx, http.MethodGet, "/events", "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		u := update{line: bytes.Clone(lines.Bytes())}
		if err := json.Unmarshal(u.line, &u.status); err != nil {
			return fmt.Errorf("what answers at %s is not the agent (%w); see: systemctl status lwa-agent", s.path, err)
		}
		if !send(u) {
			return ctx.Err()
		}
	}
	if err := lines.Err(); err != nil {
		return s.unreachable(err)
	}
	return s.stopped()
}

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
