package agent

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lwa-agent/lwa"
)

var (
	histories    = flag.Int("histories", 0, "how many TestHistories plays; 0: 200, with the tag deep 1,000,000")
	firstHistory = flag.Uint64("history", 0, "the first that TestHistories plays: the seed of one that failed")
)

// history is a device through a few days of everything: people, programs, an
// Amazon that fails in all ways, a disk that is full at times, and crashes
// between any two effects. The machine, the disk and Amazon are models; what
// the one believes is checked against what the others know.
type history struct {
	seed   uint64
	rng    *rand.Rand
	set    settings
	m      *machine
	amazon *amazonModel
	now    time.Duration
	boots  int
	kept   access // in the runtime directory
	disk   record
	full   bool
	open   effect // the call in flight
	callID uint64
	codes  []lwa.Drop // that people may hand in, again too
	asked  uint64

	crashIn  int    // effects until the next crash; -1: none in this step
	unlinks  string // why the device may stop being linked in this step
	problems []string
	tally
}

// tally is what happened in all histories, so that nobody believes in a test of
// nothing.
type tally struct{ links, exchanges, refreshes, crashes, removals, unlinked, revived int }

func (t *tally) add(o tally) {
	t.links, t.exchanges, t.refreshes, t.crashes = t.links+o.links, t.exchanges+o.exchanges, t.refreshes+o.refreshes, t.crashes+o.crashes
	t.removals, t.unlinked, t.revived = t.removals+o.removals, t.unlinked+o.unlinked, t.revived+o.revived
}

func (h *history) fail(format string, args ...any) {
	h.problems = append(h.problems, fmt.Sprintf(format, args...))
}

func playHistory(seed uint64) *history {
	rng := rand.New(rand.NewPCG(seed, 6))
	method := MethodCode
	if rng.IntN(3) == 0 {
		method = MethodCBL
	}
	h := &history{seed: seed, rng: rng, set: testSettings(method), amazon: newAmazonModel(rng), now: time.Minute, crashIn: -1}
	h.start()
	for range 60 + rng.IntN(80) {
		h.something()
		if len(h.problems) > 0 {
			return h
		}
	}
	h.ending()
	return h
}

// start is a start of the agent, of this boot or the first of another.
func (h *history) start() {
	kept := h.kept
	if kept.left(h.now) == 0 {
		kept = access{}
	}
	h.set.bootID = fmt.Sprint("boot-", h.boots)
	h.open, h.callID = nil, 0
	h.m = newMachine(h.set, h.disk, kept, h.now, time.Unix(1_800_000_000, 0), h.rng)
	h.do(ticked{})
}

// crash ends the agent as a kill or a power cut does. Amazon may have got what
// was under way.
func (h *history) crash() {
	h.crashes++
	if h.open != nil && h.rng.IntN(2) == 0 {
		h.amazon.serve(h.open)
	}
	if h.rng.IntN(2) == 0 {
		h.boots++
		h.now = time.Duration(20+h.rng.IntN(40)) * time.Second
		h.kept = access{}
	}
	h.crashIn, h.unlinks = -1, "a crash"
	h.start()
}

// do gives an event and carries effects out, until a crash.
func (h *history) do(ev event) (crashed bool) {
	for _, e := range h.m.step(h.now, ev) {
		if h.crashIn == 0 {
			if s, is := e.(save); is && !h.full && h.rng.IntN(2) == 0 {
				h.write(s) // it was on the disk, and nobody heard of it
			}
			h.crash()
			return true
		}
		h.crashIn = max(h.crashIn-1, -1)
		switch e := e.(type) {
		case save:
			out := saved{}
			if h.full {
				out.problem = "no space left on device"
			} else {
				h.write(e)
			}
			return h.do(out) // the last effect of its step
		case exchange:
			h.exchanges++
			h.call(e.call, e)
		case refresh:
			h.refreshes++
			h.call(e.call, e)
		case createPair:
			h.call(e.call, e)
		case poll:
			h.call(e.call, e)
		case profile:
			h.call(e.call, e)
		case cancel:
			h.open, h.callID = nil, 0
		case keepAccess:
			h.kept = e.access
		case take:
			h.forgetCode()
		}
	}
	return false
}

func (h *history) call(id uint64, e effect) {
	if h.open != nil {
		h.fail("%T begins while %T is under way", e, h.open)
	}
	h.open, h.callID = e, id
}

// write checks that a link on the disk goes for a reason.
func (h *history) write(s save) {
	before, after := h.disk.Link, s.record.Link
	switch {
	case before.isZero():
	case after.isZero() && !s.forget:
		h.fail("the refresh token was cleared by something else than unlink")
	case !after.isZero() && h.amazon.grants[after.Refresh.Reveal()] == nil:
		h.fail("the disk got a refresh token that Amazon never gave")
	}
	h.disk = s.record
}

// forgetCode: a file was taken away. Others have copies of theirs.
func (h *history) forgetCode() {
	if n := len(h.codes); n > 0 && h.rng.IntN(2) == 0 {
		h.codes = h.codes[:n-1]
	}
}

// answerCall ends the call in flight, in one way or another.
func (h *history) answerCall() {
	e, id := h.open, h.callID
	ev := answered{err: h.amazon.trouble()}
	switch _, refreshes := e.(refresh); {
	case ev.err != nil && (ev.err.Unsent || h.rng.IntN(2) == 0): // it did not arrive, or came to nothing
	case ev.err != nil:
		h.amazon.serve(e) // done, and the answer was lost
	case refreshes && h.rng.IntN(50) == 0:
		ev.err = errRevoked // Amazon errs
	default:
		ev = h.amazon.serve(e)
	}
	if _, is := e.(refresh); is && ev.err != nil && ev.err.Kind == lwa.Spent {
		h.unlinks = "invalid_grant"
	}
	ev.call, ev.sent = id, h.now
	h.open, h.callID = nil, 0
	h.do(ev)
}

func (h *history) check(was bool) {
	if was && !h.m.linked() {
		h.unlinked++
		if h.unlinks == "" {
			h.fail("the device is unlinked and nobody has said so: %s", h.m.reason())
		}
	}
	if !was && h.m.linked() {
		h.links++
	}
	for code, c := range h.amazon.codes {
		if c.presented > 1 {
			h.fail("%s was sent %d times", code, c.presented)
		}
	}
	if h.m.linked() && !h.m.unsaved && h.disk.Link.Refresh != h.m.rec.Link.Refresh {
		h.fail("the link in use is not the one on the disk, and nothing says so")
	}
	if h.m.saving != nil {
		h.fail("a save has no outcome")
	}
}

// ending is a good day: nothing fails any more and nobody does anything. Who has
// a link that Amazon knows must come back to it.
func (h *history) ending() {
	h.full, h.crashIn = false, -1
	alive := h.amazon.good(h.m.rec.Link.Refresh.Reveal()) && !h.m.rec.Relinking
	tried := h.m.rec.Link.Revoked && h.m.revivalTries > 0
	was := h.m.linked()
	for end := h.now + 3*hour; h.now < end; {
		if h.open != nil {
			ev, id := h.amazon.serve(h.open), h.callID
			ev.call, ev.sent, h.open, h.callID = id, h.now, nil, 0
			h.do(ev)
			continue
		}
		h.now = max(h.m.deadline(), h.now+time.Minute)
		h.do(ticked{})
	}
	switch {
	case alive && !h.m.linked() && !tried:
		h.fail("Amazon knows the link on the disk, and the device does not come back to it: %s", h.m.reason())
	case h.m.linked() && h.m.access.left(h.now) == 0:
		h.fail("linked, and no token on a good day: %+v", h.m.lastError())
	case !was && h.m.linked():
		h.revived++
	}
	for code, c := range h.amazon.codes {
		if c.presented > 1 {
			h.fail("%s was sent %d times", code, c.presented)
		}
	}
}

// TestHistories: no code twice, no link lost, in all of them.
func TestHistories(t *testing.T) {
	t.Parallel()
	n := *histories
	if n == 0 {
		n = 200
		if deep {
			n = 1_000_000
		}
	}
	var next atomic.Uint64
	var all tally
	var mu sync.Mutex
	var players sync.WaitGroup
	bad := 0
	for range 2 {
		players.Go(func() {
			var mine tally
			for i := next.Add(1) - 1; i < uint64(n); i = next.Add(1) - 1 {
				h := playHistory(*firstHistory + i)
				mine.add(h.tally)
				if len(h.problems) > 0 {
					mu.Lock()
					if bad++; bad <= 10 {
						t.Errorf("history %d (-history=%d -histories=1): %v", h.seed, h.seed, h.problems)
					}
					mu.Unlock()
				}
			}
			mu.Lock()
			all.add(mine)
			mu.Unlock()
		})
	}
	players.Wait()
	t.Logf("%d histories, %d bad: %d codes sent, %d links made, %d refreshes, %d crashes, %d apps removed, %d times unlinked for a reason, %d times back by itself",
		n, bad, all.exchanges, all.links, all.refreshes, all.crashes, all.removals, all.unlinked, all.revived)
	if n >= 100 && min(all.exchanges, all.links, all.refreshes, all.crashes, all.removals, all.unlinked, all.revived) == 0 {
		t.Error("something never happened, so nothing was tested about it")
	}
}
