package main

import (
	"context"
	"fmt"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
)

// reconnectEvery is how often an agent that does not answer is looked for.
const reconnectEvery = 20 * time.Millisecond

// socket is the agent as the programs of a device see it.
func (d *device) socket() *socket.Socket { return socket.New(d.path("run/agent.sock")) }

// until waits for a status that is wanted. Its error says what was seen last.
func (d *device) until(ctx context.Context, wanted func(agent.Status) bool) (agent.Status, error) {
	status, err := d.socket().Until(ctx, reconnectEvery, wanted)
	if err != nil {
		return status, fmt.Errorf("the agent last said: %s", summary(status))
	}
	return status, nil
}

// summary is a status in a line.
func summary(s agent.Status) string {
	if s.State == "" {
		return "nothing: it does not answer"
	}
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
		text += ", problem: " + socket.WithHint(s.LastError.Message, s.LastError.Hint)
	}
	return text
}
