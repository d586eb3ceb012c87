package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"lwa-agent/lwa/lwatest"
)

// amazon is the simulated Amazon, reached by loopback from this machine alone.
type amazon struct {
	*lwatest.Sim
	url    string // without a slash at the end
	delay  time.Duration
	told   func(visit)
	server *http.Server

	mu   sync.Mutex // guards seen
	seen int        // requests that told was called for
}

// visit is a request that Amazon has answered; back is where its answer sent
// the browser.
type visit struct {
	lwatest.Request
	back string
}

// anyPort is where an Amazon is that nobody has to find again.
const anyPort = "127.0.0.1:0"

// openAmazon starts the simulator at an address. Its token endpoint takes delay to answer, as
// the real one does; told, unless nil, hears of each request.
func openAmazon(ctx context.Context, address string, o lwatest.Options, delay time.Duration, told func(visit)) (*amazon, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", address)
	if err != nil {
		return nil, fmt.Errorf("the simulated Amazon cannot be at %s: %w", address, err)
	}
	a := &amazon{Sim: lwatest.New(o), url: "http://" + listener.Addr().String(), delay: delay, told: told}
	a.server = &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = a.server.Serve(listener) }() // ends with close
	return a, nil
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		think := time.NewTimer(a.delay)
		defer think.Stop()
		select {
		case <-think.C:
		case <-r.Context().Done():
		}
	}
	a.Sim.ServeHTTP(w, r)
	if a.told == nil {
		return
	}
	back := w.Header().Get("Location")
	a.mu.Lock()
	defer a.mu.Unlock()
	requests := a.Requests()
	for _, request := range requests[a.seen:] {
		a.told(visit{request, back})
	}
	a.seen = len(requests)
}

// objections is what a careful server would object to in what it was sent.
func (a *amazon) objections() error {
	var all []error
	for _, v := range a.Violations() {
		all = append(all, errors.New(v))
	}
	for _, code := range a.CodesSentTwice() {
		all = append(all, fmt.Errorf("code %s was sent twice", code))
	}
	return errors.Join(all...)
}

func (a *amazon) close() { _ = a.server.Close() }
