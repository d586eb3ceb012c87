package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
)

const (
	eventsSocketName = "events.sock"

	reportWithin = 5 * time.Second // a report is taken or refused
	reportAgain  = time.Second     // after that
)

// displayLink is the display process's way to the agent: a stream of statuses,
// and one connection that is kept, by which it says what can be seen. The agent
// forgets the displays when that connection ends.
type displayLink struct {
	socket *socket.Socket
	again  chan struct{} // the agent may have forgotten the displays
}

func newDisplayLink(path string) *displayLink {
	return &displayLink{socket: socket.New(path), again: make(chan struct{}, 1)}
}

// follow shows on b what the agent says, for as long as ctx lasts. When no
// agent answers for a while, that is shown.
func (l *displayLink) follow(ctx context.Context, b *board, stderr io.Writer) {
	var said string
	lost := time.Now() // zero while there is an agent
	for {
		err := l.socket.Events(ctx, func(u socket.Update) bool {
			if !lost.IsZero() {
				l.askAgain() // a new agent knows of no display
			}
			lost, said = time.Time{}, ""
			b.showStatus(u.Status)
			return true
		})
		if ctx.Err() != nil {
			return
		}
		if lost.IsZero() {
			lost = time.Now()
		}
		if time.Since(lost) >= absence {
			b.show(absentScreen(err))
			if said != err.Error() {
				said = err.Error()
				fmt.Fprintf(stderr, "lwa-agent: %s\n", said)
			}
		}
		if !pause(ctx, reconnectEvery) {
			return
		}
	}
}

func (l *displayLink) askAgain() {
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// report tells the agent what b shows, whenever that changes, and again after
// the connection was lost. What the agent does not take is said once.
func (l *displayLink) report(ctx context.Context, b *board, stderr io.Writer) {
	kept := &socket.Socket{Path: l.socket.Path, Transport: &http.Transport{MaxConnsPerHost: 1, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := socket.Dialer(l.socket.Path)(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watchedConn{Conn: conn, closed: l.askAgain}, nil
	}}}
	defer kept.Transport.CloseIdleConnections()
	var said string
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.changed:
		case <-l.again:
		}
		// A refusal may end the connection, which asks for a report as well: only
		// the pause keeps that from going round and round.
		for err := post(ctx, kept, b.lines()); err != nil; err = post(ctx, kept, b.lines()) {
			if refused, is := errors.AsType[*socket.Refusal](err); is && refused.Error() != said {
				said = refused.Error()
				fmt.Fprintf(stderr, "lwa-agent: the status lacks the displays: %s\n", said)
			}
			if !pause(ctx, reportAgain) {
				return
			}
		}
	}
}

func post(ctx context.Context, kept *socket.Socket, lines []agent.Display) error {
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	body, err := reportOf(lines)
	if err != nil {
		return err
	}
	_, err = kept.Ask(ctx, http.MethodPost, "/display", string(body))
	return err
}

// What the agent takes as a report.
const (
	mostReported = 16      // displays
	mostReport   = 8 << 10 // bytes
)

// reportOf is what the agent is told of lines: as many of them, and as much of
// their texts, as it takes. A status that lacks the end of an error is of more
// use than one without displays.
func reportOf(lines []agent.Display) (body []byte, err error) {
	lines = slices.Clone(lines[:min(len(lines), mostReported)])
	for most := mostReport / 2; ; most /= 2 {
		for i := range lines {
			for _, text := range []*string{&lines[i].Driver, &lines[i].Device, &lines[i].Shows, &lines[i].Error} {
				if len(*text) > most {
					*text = strings.ToValidUTF8((*text)[:most], "") + "…"
				}
			}
		}
		if body, err = json.Marshal(lines); err != nil || len(body) <= mostReport || most == 0 {
			return body, err
		}
	}
}

// watchedConn tells when it is closed, also by the other side: the transport
// reads while it is idle and closes it then.
type watchedConn struct {
	net.Conn
	closed func()
	once   sync.Once
}

func (c *watchedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.closed)
	return err
}
