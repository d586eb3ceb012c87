package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
)

// socket is agent.sock where time does not matter.
func (d *device) socket() *socket.Socket { return socket.New(d.path("run/agent.sock")) }

// post tells the agent something.
func (d *device) post(ctx context.Context, target, body string) error {
	_, err := d.socket().Ask(ctx, http.MethodPost, target, body)
	return err
}

// until waits for a status that is wanted, from an agent that may be starting.
func (d *device) until(ctx context.Context, wanted func(agent.Status) bool) (agent.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	status, err := d.socket().Until(ctx, 5*time.Millisecond, wanted)
	if err != nil {
		err = d.explain(fmt.Errorf("the agent does not get as far as it should: it is %q: %w", status.State, err))
	}
	return status, err
}

// connection is a client that costs as little as a program in C: its calls
// block, and nothing of net/http's is in the figures but the agent's own.
type connection struct {
	fd  int
	buf [8 << 10]byte
}

// dial connects to a socket of the device. The caller closes it.
func (d *device) dial(name string) (*connection, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &connection{fd: fd}
	limit := unix.NsecToTimeval(int64(patience))
	if err := errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.Connect(fd, &unix.SockaddrUnix{Name: d.path("run/" + name)}),
	); err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func (c *connection) close() { _ = unix.Close(c.fd) }

// The requests that are timed.
const (
	getToken  = "GET /token HTTP/1.1\r\nHost: agent\r\n\r\n"
	getStatus = "GET /status HTTP/1.1\r\nHost: agent\r\n\r\n"
)

// get sends a request and reads the whole answer, which must be a 200. The
// answer is good until the next call.
func (c *connection) get(request string) ([]byte, error) {
	if _, err := unix.Write(c.fd, []byte(request)); err != nil {
		return nil, err
	}
	return c.read()
}

// read reads the answer to one request.
func (c *connection) read() ([]byte, error) {
	for n := 0; ; {
		got, err := unix.Read(c.fd, c.buf[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && got == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		n += got
		if body, whole, err := bodyOf(c.buf[:n]); whole || err != nil {
			return body, err
		}
	}
}

// bodyOf finds the body of an answer; whole tells whether all of it is there.
func bodyOf(answer []byte) (body []byte, whole bool, err error) {
	head, body, found := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !found {
		return nil, false, nil
	}
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return nil, false, fmt.Errorf("the agent answers %q", status)
	}
	_, length, found := bytes.Cut(fields, []byte("Content-Length: "))
	if !found {
		return nil, false, errors.New("the agent does not say how long its answer is")
	}
	if end := bytes.IndexByte(length, '\r'); end >= 0 {
		length = length[:end]
	}
	n, err := strconv.Atoi(string(length))
	return body, len(body) >= n, err
}

// readAll reads until the agent closes the connection.
func (c *connection) readAll() ([]byte, error) {
	for n := 0; ; {
		got, err := unix.Read(c.fd, c.buf[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || got == 0 {
			return c.buf[:n], err
		}
		n += got
	}
}
