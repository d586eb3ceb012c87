package debiantest

import (
	"fmt"
	"io"
	"testing"
	"time"
)

// Story prints each step of a test with its time, and what it found.
type Story struct {
	t     testing.TB
	out   io.Writer
	start time.Time
}

// Tell begins a story that is printed to out.
func Tell(t testing.TB, out io.Writer) *Story {
	fmt.Fprintln(out, "   since   took")
	return &Story{t: t, out: out, start: time.Now()}
}

// Step takes one step. What it returns is printed beside it.
func (s *Story) Step(what string, do func() string) {
	s.t.Helper()
	began := time.Now()
	found := do()
	fmt.Fprintf(s.out, "%6.1f s  %5.2f s  %s", time.Since(s.start).Seconds(), time.Since(began).Seconds(), what)
	if found != "" {
		fmt.Fprintf(s.out, ": %s", found)
	}
	fmt.Fprintln(s.out)
}
