//go:build machinetest

package machinetest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// A control is the test's end of the machine's second serial line, at whose
// other end runs ./inside.
type control struct {
	conn    net.Conn
	hello   chan struct{} // the machine is up, as far as the line
	answers chan answer   // closed when the machine is off

	mu   sync.Mutex
	last int // the number of the last request
}

// request and answer are those of ./inside.
type request struct {
	Request int
	Args    []string
	Input   []byte
	Within  time.Duration
}

type answer struct {
	Answer int
	Hello  bool
	Output []byte
	Failed string
}

func newControl(conn net.Conn) *control {
	c := &control{conn: conn, hello: make(chan struct{}, 1), answers: make(chan answer, 16)}
	go c.read()
	return c
}

func (c *control) read() {
	defer close(c.answers)
	lines := bufio.NewReader(c.conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		// Else it is an echo, or half of something.
		switch err := json.Unmarshal(line, &a); {
		case err == nil && a.Hello:
			select {
			case c.hello <- struct{}{}:
			default: // said again, by another one: the answers behind it must not wait
			}
		case err == nil && a.Answer != 0:
			c.answers <- a
		}
	}
}

// errNoAnswer is a machine that is not up, or hangs.
var errNoAnswer = errors.New("the machine does not answer")

// do runs a command in the machine, which has its own limit and is given half as
// much again to say so.
func (c *control) do(within time.Duration, input string, args ...string) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	text, err := json.Marshal(request{Request: c.last, Args: args, Input: []byte(input), Within: within})
	if err != nil {
		return answer{}, err
	}
	limit := time.NewTimer(within + within/2)
	defer limit.Stop()
	if err := c.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return answer{}, err
	}
	// The first newline ends what was cut short before.
	if _, err := fmt.Fprintf(c.conn, "\n%s\n", text); err != nil {
		return answer{}, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	for {
		select {
		case a, open := <-c.answers:
			if !open {
				return answer{}, fmt.Errorf("%w: its power is off", errNoAnswer)
			}
			if a.Answer != c.last {
				continue // to a question that was given up
			}
			if a.Failed != "" {
				return a, errors.New(a.Failed)
			}
			return a, nil
		case <-limit.C:
			return answer{}, fmt.Errorf("%w for %v: %s", errNoAnswer, within, strings.Join(args, " "))
		}
	}
}
