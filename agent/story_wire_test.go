package agent

import (
	"bytes"
	"errors"
	"net/http"
	"sync"
)

// wire is the line of one run of the agent. It can be cut at a moment: each
// request is two, before it arrives and after it was answered.
type wire struct {
	to      http.RoundTripper
	dead    chan struct{} // closed: the agent was killed
	mu      sync.Mutex
	moments int
	cutAt   int // the moment after which nothing passes; -1: never
}

var errCut = errors.New("the line is cut")

func (l *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if !l.passes() {
		return nil, errCut
	}
	resp, err := l.to.RoundTrip(r)
	if !l.passes() {
		return nil, errCut
	}
	return resp, err
}

// passes waits for the kill from the moment on at which the line is cut.
func (l *wire) passes() bool {
	select {
	case <-l.dead:
		return false
	default:
	}
	l.mu.Lock()
	cut := l.cutAt >= 0 && l.moments >= l.cutAt
	l.moments++
	l.mu.Unlock()
	if cut {
		<-l.dead
	}
	return !cut
}

// isCut reports whether something waits at the cut.
func (l *wire) isCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cutAt >= 0 && l.moments > l.cutAt
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
