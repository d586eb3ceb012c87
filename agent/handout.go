package agent

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxTakers bounds who is counted by name: there are as many as users and units.
// The rest is counted together.
const maxTakers = 256

// Handout is how often somebody took the access token since the agent started.
type Handout struct {
	UID   int64     `json:"uid"` // -1: all those of whom there were too many to be counted one by one
	User  string    `json:"user,omitempty"`
	Unit  string    `json:"unit,omitempty"` // for which systemd took it, from token.sock
	Count uint64    `json:"count"`
	At    time.Time `json:"at"` // the last time
}

// taker is who takes tokens.
type taker struct {
	uid  uint32
	unit string
}

// takings counts hand-outs, from many goroutines at once.
type takings struct {
	known  sync.Map // taker to *taking
	n      atomic.Int32
	others taking
}

// taking is what one taker took.
type taking struct {
	user  string
	count atomic.Uint64
	last  atomic.Int64 // uptime
}

// of returns where p is counted. The first time, it makes the place and says so.
func (t *takings) of(p peer) (counted *taking, first bool) {
	who := taker{p.uid, p.unit}
	if known, ok := t.known.Load(who); ok {
		counted, _ = known.(*taking)
		return counted, false
	}
	if t.n.Add(1) > maxTakers { // reserved first: many may come at once
		t.n.Add(-1)
		return &t.others, false
	}
	known, loaded := t.known.LoadOrStore(who, &taking{user: p.user()})
	if loaded {
		t.n.Add(-1)
	}
	counted, _ = known.(*taking)
	return counted, !loaded
}

// handedOut counts a token that goes out by a connection. The log names each
// taker once, so that a timer does not fill it.
func (a *Agent) handedOut(c *unixConn, now time.Duration) {
	if c.taken == nil {
		var first bool
		if c.taken, first = a.takings.of(c.peer); first {
			a.cfg.Log.Info("the access token goes out", "to", c.peer.String(), "socket", c.socket())
		}
	}
	c.taken.count.Add(1)
	c.taken.last.Store(int64(now))
}

// list returns who took tokens, the last one first; now is the uptime.
func (t *takings) list(now time.Duration) (all []Handout) {
	handout := func(who taker, uid int64, k *taking) *Handout {
		ago := now - time.Duration(k.last.Load())
		return &Handout{uid, k.user, who.unit, k.count.Load(), time.Now().Add(-ago).UTC().Truncate(time.Second)}
	}
	var found []*Handout // pointers: sorting the values would take code of its own, 12 KB of it
	t.known.Range(func(key, value any) bool {
		who, _ := key.(taker)
		k, _ := value.(*taking)
		found = append(found, handout(who, int64(who.uid), k))
		return true
	})
	slices.SortFunc(found, func(a, b *Handout) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.UID, b.UID), cmp.Compare(a.Unit, b.Unit))
	})
	for _, h := range append(found, handout(taker{}, -1, &t.others)) {
		if h.Count > 0 {
			all = append(all, *h)
		}
	}
	return all
}
