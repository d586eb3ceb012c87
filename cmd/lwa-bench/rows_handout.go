package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
)

const (
	rowTokenHTTP   = "token-http"
	rowTokenSocket = "token-socket"
	rowTokenHang   = "token-hang"

	httpRuns   = 40_000
	socketRuns = 24_000
)

// tokenHTTP measures one program that asks on a connection that it keeps, on a
// device with nothing else to do.
func (b *bench) tokenHTTP(ctx context.Context) error {
	d, err := b.startLinked(ctx, deviceOptions{})
	if err != nil {
		return err
	}
	end, err := d.startBare(ctx, "bare.sock", bareKept)
	if err != nil {
		return err
	}
	defer end()
	kept, err := d.dial("agent.sock")
	if err != nil {
		return err
	}
	defer kept.close()
	bare, err := d.dial("bare.sock")
	if err != nil {
		return err
	}
	defer bare.close()
	f, err := inTurn(ctx, httpRuns, kept.token, bare.token)
	if err != nil {
		return err
	}
	f.Note = "GET /token, one request after the other, by a client as cheap as one in C; " + f.Note
	b.found(rowTokenHTTP, f)
	return d.end()
}

// tokenSocket is the same for token.sock.
func (b *bench) tokenSocket(ctx context.Context) error {
	d, err := b.startLinked(ctx, deviceOptions{})
	if err != nil {
		return err
	}
	end, err := d.startBare(ctx, "bare.sock", bareOnce)
	if err != nil {
		return err
	}
	defer end()
	f, err := inTurn(ctx, socketRuns,
		func() error { return d.credential("token.sock") },
		func() error { return d.credential("bare.sock") })
	if err != nil {
		return err
	}
	f.Note = "socket, connect, read to the end, close, one after the other; " + f.Note
	b.found(rowTokenSocket, f)
	return d.end()
}

// inTurn measures the agent and, in turn with it so that a noisy machine is
// noisy for both, the least that can answer.
func inTurn(ctx context.Context, runs int, agent, bare func() error) (figure, error) {
	const turns = 20
	var took, least []float64
	for range turns {
		one, err := repeat(ctx, runs/turns, agent)
		if err != nil {
			return figure{}, err
		}
		other, err := repeat(ctx, runs/turns/2, bare)
		if err != nil {
			return figure{}, err
		}
		took, least = append(took, one...), append(least, other...)
	}
	scale := summarize(least, "")
	return summarize(took, fmt.Sprintf("in turn with a program that has its answer ready, reads no request and does nothing else: median %s ms, p99 %s ms.",
		number(*scale.Median), number(*scale.P99))), nil
}

// repeat returns what each call took, in milliseconds.
func repeat(ctx context.Context, runs int, do func() error) ([]float64, error) {
	runtime.LockOSThread() // a move to another thread would be in the figure
	defer runtime.UnlockOSThread()
	took := make([]float64, 0, runs)
	for range runs {
		began := time.Now()
		if err := do(); err != nil {
			return nil, err
		}
		took = append(took, inMilliseconds(time.Since(began)))
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return took, nil
}

var errNoToken = errors.New("the agent's answer holds no token")

// token asks for the token by HTTP.
func (c *connection) token() error {
	if _, err := unix.Write(c.fd, []byte(getToken)); err != nil {
		return err
	}
	return c.readToken()
}

// readToken reads the answer.
func (c *connection) readToken() error {
	body, err := c.read()
	if err == nil && !bytes.HasPrefix(body, []byte(`{"access_token":"Atza|`)) {
		return errNoToken
	}
	return err
}

// credential asks for the token as LoadCredential= does.
func (d *device) credential(socket string) error {
	c, err := d.dial(socket)
	if err != nil {
		return err
	}
	defer c.close()
	text, err := c.readAll()
	if err == nil && !bytes.HasPrefix(text, []byte("Atza|")) {
		return errNoToken
	}
	return err
}

const (
	// hangLife makes a refresh due after 5 to 7.5 s, and leaves as long as
	// hangMeasured of the token's life for certain.
	hangLife     = 10 * time.Second
	hangMeasured = 2 * time.Second
	hangWaiters  = 4
)

// hang measures programs that want the token as it is while a refresh gets no
// answer and others wait for it.
func (b *bench) hang(ctx context.Context) error {
	d, err := b.startLinked(ctx, deviceOptions{Options: lwatest.Options{TokenLife: hangLife}})
	if err != nil {
		return err
	}
	d.amazon.Fail(lwatest.Silent(), -1, lwatest.Refresh)
	for waited := time.Now(); d.amazon.Count(lwatest.Refresh) == 0; {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
		if time.Since(waited) > hangLife {
			return errors.New("no refresh was begun")
		}
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	for range hangWaiters {
		go func() { _, _ = d.socket().Token(waiting, time.Hour) }()
	}
	kept, err := d.dial("agent.sock")
	if err != nil {
		return err
	}
	defer kept.close()
	var took []time.Duration
	for began := time.Now(); time.Since(began) < hangMeasured; {
		asked := time.Now()
		if err := kept.token(); err != nil {
			return err
		}
		took = append(took, time.Since(asked))
		asked = time.Now()
		if err := d.tokenAnew(); err != nil {
			return err
		}
		took = append(took, time.Since(asked))
	}
	if n := d.amazon.Count(lwatest.Refresh); n != 1 {
		return fmt.Errorf("the refresh did not hang all the time: there were %d", n)
	}
	b.found(rowTokenHang, summarize(milliseconds(took), fmt.Sprintf(
		"GET /token, half of them each on a connection of its own, for %s while a refresh has no answer and %d programs wait for it.", hangMeasured, hangWaiters)))
	stop()
	d.amazon.Recover()
	d.amazon.close() // the call in flight ends
	_ = d.core.stop()
	return nil
}

// tokenAnew asks on a connection of its own.
func (d *device) tokenAnew() error {
	c, err := d.dial("agent.sock")
	if err != nil {
		return err
	}
	defer c.close()
	return c.token()
}
