// Command inside is the test's hand in a machine: it runs as root on a serial
// line and does what the line's other end asks. See control_test.go.
//
//	inside /dev/ttyS1
//
// Requests and answers are lines of JSON, since a shell would echo, prompt and
// mix what is said with how it ended.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/term"
)

// request is one command to run.
type request struct {
	Request int
	Args    []string
	Input   []byte
	Within  time.Duration
}

// answer is how it ended. The number tells it from an echo, and from the answer
// to a request that was given up.
type answer struct {
	Answer int
	Hello  bool   // said once, before anything is asked
	Output []byte // standard error included
	Failed string // why it has no exit status 0
}

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "inside:", err)
		os.Exit(1)
	}
}

func serve(path string) error {
	line, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("opening the line: %w", err)
	}
	defer line.Close()
	// Else it would echo, and end lines at 4,096 characters.
	if _, err := term.MakeRaw(int(line.Fd())); err != nil {
		return fmt.Errorf("making %s raw: %w", path, err)
	}
	if err := say(line, answer{Hello: true}); err != nil {
		return err
	}
	asked := bufio.NewReader(line)
	for {
		text, err := asked.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("reading from the line: %w", err)
		}
		var r request
		if json.Unmarshal(text, &r) != nil || r.Request == 0 {
			continue // half of what was said before this was ready
		}
		a := answer{Answer: r.Request}
		a.Output, a.Failed = run(r)
		if err := say(line, a); err != nil {
			return err
		}
	}
}

func say(line *os.File, a answer) error {
	out, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("writing an answer: %w", err)
	}
	// The first newline ends what somebody else may have said on this line.
	if _, err := fmt.Fprintf(line, "\n%s\n", out); err != nil {
		return fmt.Errorf("writing to the line: %w", err)
	}
	return nil
}

// run runs a command with a file as its output: a child that it leaves behind
// holds no pipe that would have to be waited for.
func run(r request) (output []byte, failed string) {
	ctx, cancel := context.WithTimeout(context.Background(), r.Within)
	defer cancel()
	out, err := os.CreateTemp("", "inside-")
	if err != nil {
		return nil, err.Error()
	}
	defer out.Close()
	os.Remove(out.Name())
	c := exec.CommandContext(ctx, r.Args[0], r.Args[1:]...)
	c.Stdin = bytes.NewReader(r.Input)
	c.Stdout, c.Stderr = out, out
	if err := c.Run(); err != nil {
		failed = err.Error()
		if ctx.Err() != nil {
			failed = fmt.Sprintf("not done within %v", r.Within)
		}
	}
	output, err = os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", out.Fd()))
	if err != nil {
		return nil, err.Error()
	}
	return output, failed
}
