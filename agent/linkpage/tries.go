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

// tries counts wrong addresses.
type tries struct {
	mu    sync.Mutex
	since time.Time
	all   int
	of    map[netip.Addr]int // at most triesOfAll
}

// allowed reports whether somebody may try an address now.
func (t *tries) allowed(who netip.Addr, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) >= triesSpan {
		t.since, t.all, t.of = now, 0, map[netip.Addr]int{}
	}
	return t.all < triesOfAll && t.of[who] < triesOfOne
}

func (t *tries) wrong(who netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all++
	if t.of != nil {
		t.of[who]++
	}
}
