package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"lwa-agent/agent"
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
	socket *socket
	again  chan struct{} // the agent may have forgotten the displays
}

func newDisplayLink(path string) *displayLink {
	return &displayLink{socket: newSocket(path), again: make(chan struct{}, 1)}
}

// follow shows on b what the agent says, for as long as ctx lasts. When no
// agent answers for a while, that is shown.
func (l *displayLink) follow(ctx context.Context, b *board, stderr io.Writer) {
	var said string
	lost := time.Now() // zero while there is an agent
	for {
		err := l.socket.events(ctx, func(u update) bool {
			if !lost.IsZero() {
				l.askAgain() // a new agent knows of no display
			}
			lost, said = time.Time{}, ""
			b.show(screenFor(u.status, time.Now()))
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
// the connection was lost.
func (l *displayLink) report(ctx context.Context, b *board) {
	transport := &http.Transport{MaxConnsPerHost: 1, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer(l.socket.path)(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watchedConn{Conn: conn, closed: l.askAgain}, nil
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: reportWithin}
	retry := time.NewTimer(reportAgain)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.changed:
		case <-l.again:
		case <-retry.C:
		}
		retry.Stop()
		if err := l.post(ctx, client, b.lines()); err != nil {
			retry.Reset(reportAgain)
		}
	}
}

func (l *displayLink) post(ctx context.Context, client *http.Client, lines []agent.Display) error {
	body, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent/display", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body) // or the connection would not be kept
	return errors.Join(err, response.Body.Close())
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
