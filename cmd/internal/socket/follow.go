package socket

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"lwa-agent/agent"
)

var errHangs = errors.New("no answer")

// Update is one status of the agent, or why there is none now.
type Update struct {
	Line   []byte // as it came, without the newline
	Status agent.Status
	Err    error
}

// Follow sends each status, reconnecting for ever: an agent that stopped is
// looked for every so often, with an error that is ErrNotRunning for each time
// that it is not there. After any other error it ends. The channel is never
// closed; ctx ends everything.
func (s *Socket) Follow(ctx context.Context, every time.Duration) <-chan Update {
	updates := make(chan Update)
	send := func(u Update) bool {
		select {
		case updates <- u:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		for {
			err := s.Events(ctx, send)
			if !send(Update{Err: err}) || !errors.Is(err, ErrNotRunning) {
				return
			}
			select {
			case <-time.After(every):
			case <-ctx.Done():
				return
			}
		}
	}()
	return updates
}

// Events calls yield with what one connection brings, until yield returns false
// or the connection ends, which is an error. The first comes at once: an agent that
// does not answer within CallTimeout hangs, and systemd will start another.
func (s *Socket) Events(ctx context.Context, yield func(Update) bool) error {
	asking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(CallTimeout, func() { cancel(errHangs) })
	resp, err := s.do(asking, http.MethodGet, "/events", "")
	if !late.Stop() && context.Cause(asking) == errHangs { //nolint:errorlint // it is the cause itself
		return notRunningError(s.silent().Error())
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for lines.Scan() {
		u := Update{Line: bytes.Clone(lines.Bytes())}
		if err := json.Unmarshal(u.Line, &u.Status); err != nil && lines.Err() != nil {
			break // it ended within the line
		} else if err != nil {
			return fmt.Errorf("what answers at %s is not the agent (%w); see: systemctl status lwa-agent", s.Path, err)
		}
		if !yield(u) {
			return ctx.Err()
		}
	}
	if err := lines.Err(); err != nil {
		return s.unreachable(err)
	}
	return s.stopped()
}

// Until waits for a status that is wanted, from an agent that may be starting
// and is looked for every so often. With an error it returns the last one.
func (s *Socket) Until(ctx context.Context, every time.Duration, wanted func(agent.Status) bool) (agent.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates := s.Follow(ctx, every)
	var last agent.Status
	var away error
	for {
		select {
		case u := <-updates:
			switch away = u.Err; {
			case errors.Is(u.Err, ErrNotRunning):
			case u.Err != nil:
				return last, u.Err
			case wanted(u.Status):
				return u.Status, nil
			default:
				last = u.Status
			}
		case <-ctx.Done():
			return last, cmp.Or(away, ctx.Err())
		}
	}
}

// Offers tells that there is a way to link.
func Offers(s agent.Status) bool { return s.AuthorizeURL != "" || s.UserCode != "" }

// Named tells that the device is linked and to whose account.
func Named(s agent.Status) bool { return s.State == agent.Linked && s.Account != "" }
