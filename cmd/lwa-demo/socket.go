package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"lwa-agent/agent"
)

// reconnectEvery is how often an agent that does not answer is looked for.
const reconnectEvery = 20 * time.Millisecond

// socket is the agent as the programs of a device see it.
type socket struct{ transport *http.Transport }

func (d *device) socket() socket {
	path := d.path("run/agent.sock")
	return socket{&http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", path)
		},
	}}
}

// ask makes one request. Anything but a success is an error in the agent's own
// words.
func (s socket) ask(ctx context.Context, method, target, body string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://agent"+target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 == 2 {
		return text, nil
	}
	r := &refusal{Status: response.StatusCode}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("the agent answers %s to %s %s without saying why", response.Status, method, target)
	}
	return nil, r
}

// refusal is what the agent says when it does not do what it was asked for.
type refusal struct {
	Status  int    `json:"-"`
	Code    string `json:"error"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

func (r *refusal) Error() string { return withHint(r.Message, r.Hint) }

func withHint(message, hint string) string {
	if hint == "" {
		return message
	}
	return message + "; " + hint
}

// token asks for the access token.
func (s socket) token(ctx context.Context) (string, error) {
	text, err := s.ask(ctx, http.MethodGet, "/token", "")
	if err != nil {
		return "", err
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token == "" {
		return "", fmt.Errorf("GET /token holds no access_token: %w", err)
	}
	return answer.Token, nil
}

// follow calls yield with the status and each newer one, across restarts of the
// agent, until yield returns false or ctx ends, which is its error.
func (s socket) follow(ctx context.Context, yield func(agent.Status) bool) error {
	for {
		if s.events(ctx, yield) {
			return nil
		}
		again := time.NewTimer(reconnectEvery)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return ctx.Err()
		}
	}
}

// events is follow for one connection; done tells that yield returned false.
func (s socket) events(ctx context.Context, yield func(agent.Status) bool) (done bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/events", http.NoBody)
	if err != nil {
		return false
	}
	response, err := s.transport.RoundTrip(request)
	if err != nil {
		return false // it is not there yet, or not any more
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var status agent.Status
		if json.Unmarshal(lines.Bytes(), &status) == nil && !yield(status) {
			return true
		}
	}
	return false
}

// until waits for a status that is wanted. Its error says what was seen last.
func (s socket) until(ctx context.Context, wanted func(agent.Status) bool) (agent.Status, error) {
	seen := "nothing: it does not answer"
	var last agent.Status
	err := s.follow(ctx, func(status agent.Status) bool {
		last, seen = status, summary(status)
		return !wanted(status)
	})
	if err != nil {
		return last, fmt.Errorf("the agent last said: %s", seen)
	}
	return last, nil
}

// summary is a status in a line.
func summary(s agent.Status) string {
	text := s.State
	if s.Reason != "" {
		text += " (" + s.Reason + ")"
	}
	switch {
	case s.AuthorizeURL != "":
		text += ", an authorize URL is shown"
	case s.UserCode != "":
		text += ", the code " + s.UserCode + " is shown"
	}
	if s.LastError != nil {
		text += ", problem: " + withHint(s.LastError.Message, s.LastError.Hint)
	}
	return text
}
