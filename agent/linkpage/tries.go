package linkpage

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"time"
)

const (
	// A page's address ends in so many characters of these: 2^20 addresses.
	// They are easy to tell apart, and a QR code holds them in its dense mode.
	tokenLength   = 4
	tokenAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

	// Wrong addresses in triesSpan, from one machine and from all, after which
	// that machine, or every machine, is shut out until the span ends. Whoever
	// tries without pause all the same needs six days on average.
	triesOfOne = 5
	triesOfAll = 60
	triesSpan  = time.Minute
)

func newToken() string {
	b := make([]byte, tokenLength)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = tokenAlphabet[int(b[i])%len(tokenAlphabet)]
	}
	return string(b)
}

// tries counts wrong addresses at one listener.
type tries struct {
	mu    sync.Mutex
	since time.Time
	all   int
	of    map[netip.Addr]int    // at most triesOfAll
	in    map[netip.Addr]string // who showed which token: they are not shut out for the tries of others
}

func newTries() *tries { return &tries{of: map[netip.Addr]int{}, in: map[netip.Addr]string{}} }

// allowed reports whether somebody may try an address now.
func (t *tries) allowed(who netip.Addr, token string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) >= triesSpan {
		t.since, t.all = now, 0
		clear(t.of)
	}
	return t.in[who] == token || t.all < triesOfAll && t.of[who] < triesOfOne
}

// wrong counts a wrong address.
func (t *tries) wrong(who netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all++
	t.of[who]++
}

// right notes that somebody showed the token.
func (t *tries) right(who netip.Addr, token string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.in) >= maxConnections {
		clear(t.in)
	}
	t.in[who] = token
}
