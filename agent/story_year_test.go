package agent

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

// badLine loses a fifth of all requests or their answers, and each day there is
// an outage: up to twelve minutes, of the server or of the network, beginning at
// any time or in the very moment of a refresh, which is the worst one. Nothing
// says how long it will take.
type badLine struct {
	to  http.RoundTripper
	rng *rand.Rand

	mu       sync.Mutex
	outage   time.Time // when the next one begins, at the earliest
	ends     time.Time
	inCall   bool // it waits for a refresh
	valid    time.Time
	without  time.Duration // without a valid token
	requests int
	outages  int
}

func (l *badLine) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	switch l.fate(sent) {
	case 1:
		return &http.Response{
			StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: r,
		}, nil
	case 2:
		return nil, syscall.ENETUNREACH
	case 3:
		<-r.Context().Done() // accepted, and never answered
		return nil, r.Context().Err()
	case 4:
		resp, err := l.to.RoundTrip(r)
		if err == nil {
			err = errors.Join(errors.New("the answer is lost"), resp.Body.Close())
		}
		return nil, err
	}
	resp, err := l.to.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusOK && strings.HasSuffix(r.URL.Path, "/token") {
		l.got(sent)
	}
	return resp, err
}

// fate is what becomes of a request: 0 is nothing.
func (l *badLine) fate(now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if now.After(l.outage) {
		begin := l.outage
		if l.inCall {
			begin = now
		}
		l.ends = begin.Add(time.Minute + time.Duration(l.rng.Int64N(int64(11*time.Minute))))
		l.outage, l.inCall = l.outage.Add(24*time.Hour), l.rng.IntN(2) == 0
		l.outages++
	}
	if now.Before(l.ends) || l.rng.IntN(5) == 0 {
		return 1 + l.rng.IntN(4)
	}
	return 0
}

// got counts from the sending of one good request to that of the next.
func (l *badLine) got(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); !l.valid.IsZero() && now.After(l.valid) {
		l.without += now.Sub(l.valid)
	}
	l.valid = sent.Add(time.Hour)
}

// TestAYearOnABadLine is the whole agent, loop and disk and all, for a year; for
// two days without the tag deep.
func TestAYearOnABadLine(t *testing.T) {
	t.Parallel()
	days := 2
	if deep {
		days = 365
	}
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, lwatest.Options{Rotate: true}, lwatest.MobileClientID, MethodCode)
		defer h.end()
		line := &badLine{rng: rand.New(rand.NewPCG(12, 12)), outage: time.Now().Add(1000 * 24 * time.Hour)}
		h.through = func(to http.RoundTripper) http.RoundTripper { line.to = to; return line }
		h.powerOn()
		for range 20 { // the line is bad already
			if h.status().State == Linked {
				break
			}
			h.post(h.signIn())
			h.pass(2 * time.Minute)
		}
		h.wantState(Linked, "a fifth of the line is lost, and with it some codes")
		line.mu.Lock()
		line.outage = time.Now()
		line.mu.Unlock()
		for range days {
			h.pass(24 * time.Hour)
			h.wantToken("at the end of a day")
		}
		line.mu.Lock()
		defer line.mu.Unlock()
		t.Logf("%d days with %d outages: %d requests, %v without a valid token, %d writes to flash", days, line.outages, line.requests, line.without, h.status().StoreWrites)
		if line.without > 0 {
			t.Errorf("%v without a valid token in %d days", line.without, days)
		}
		if perDay := line.requests / days; perDay > 100 {
			t.Errorf("%d requests a day, want about 60", perDay)
		}
	})
}
