package agent

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// fleet is many devices, each with a machine of its own that decides as it does
// in the product, and a server that takes so many requests a second and refuses
// the rest. All were switched on at the same moment, so uptime is the time.
type fleet struct {
	t        *testing.T
	rng      *rand.Rand
	now      time.Duration
	devices  []device
	queue    alarms
	capacity int
	down     bool

	second  time.Duration // that is being counted
	arrived int           // in it
	figures
}

// device is a machine and the call that it waits for.
type device struct {
	m    *machine
	call uint64
	sent time.Duration
	good bool // what the server will answer
	had  bool // it has had a token
}

// figures are what a fleet does to the server in a while.
type figures struct {
	requests, refused int
	peak              int             // in a second
	served            []time.Duration // when devices got their first token
	windows           []int           // requests in each ten seconds
}

const window = 10 * time.Second

type alarm struct {
	at     time.Duration
	device int32
}

// alarms is a heap by time.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at < a[j].at }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// newFleet has lost its power and gets it back: systemd starts the agents 25 s
// later, on some boards a little after that.
func newFleet(t *testing.T, n, capacity int, spread time.Duration) *fleet {
	set := testSettings(MethodCode)
	set.bootSpread = spread
	f := &fleet{t: t, rng: rand.New(rand.NewPCG(2026, 11)), capacity: capacity, devices: make([]device, n)}
	f.served = make([]time.Duration, 0, n)
	for i := range f.devices {
		start := 25*time.Second + time.Duration(max(0, f.rng.NormFloat64())*6*float64(time.Second)) + upTo(8*time.Second, f.rng)
		f.devices[i].m = newMachine(set, record{Link: testLink()}, access{}, start, time.Unix(1_800_000_000, 0), f.rng)
		f.queue = append(f.queue, alarm{start, int32(i)})
	}
	heap.Init(&f.queue)
	return f
}

// runUntil lets time pass and returns what happened in it. In use is the part
// of the devices on which a program asks for a token as soon as the agent runs.
func (f *fleet) runUntil(end time.Duration) figures {
	f.windows = make([]int, (end-f.now+window-1)/window)
	begin := f.now
	for len(f.queue) > 0 && f.queue[0].at < end {
		next := f.queue[0]
		f.now = next.at
		d := &f.devices[next.device]
		if d.call != 0 {
			f.answer(d)
		} else {
			f.step(d, ticked{}, begin)
		}
		at := max(d.m.refresh.due, f.now+1)
		if d.call != 0 {
			at = f.now + 300*time.Millisecond + upTo(1900*time.Millisecond, f.rng) // Amazon's 0.3 to 2.2 s
		}
		f.queue[0].at = at
		heap.Fix(&f.queue, 0)
	}
	f.now = end
	out := f.figures
	f.figures = figures{served: f.served}
	return out
}

func (f *fleet) answer(d *device) {
	ev := answered{call: d.call, sent: d.sent, err: errDown}
	if d.good {
		ev.err, ev.token = nil, token("Atza|fleet", hour)
	}
	d.call = 0
	f.step(d, ev, 0)
	if d.m.access.left(f.now) > 0 && !d.had {
		d.had = true
		f.served = append(f.served, f.now)
	}
}

// step gives the machine an event, and its request to the server.
func (f *fleet) step(d *device, ev event, begin time.Duration) {
	for _, e := range d.m.step(f.now, ev) {
		switch e := e.(type) {
		case refresh:
			d.call, d.sent = e.call, f.now
			d.good = f.arrive(begin)
		case save, profile, exchange, createPair, poll:
			f.t.Fatalf("%T: a fleet that is linked has nothing else to do than to refresh", e)
		}
	}
}

// arrive counts a request and tells whether it is taken.
func (f *fleet) arrive(begin time.Duration) bool {
	if second := f.now.Truncate(time.Second); second != f.second {
		f.second, f.arrived = second, 0
	}
	f.arrived++
	f.requests++
	f.peak = max(f.peak, f.arrived)
	f.windows[(f.now-begin)/window]++
	taken := !f.down && f.arrived <= f.capacity
	if !taken {
		f.refused++
	}
	return taken
}

// unevenness is the busiest ten seconds by their mean.
func (g figures) unevenness() float64 {
	busiest := 0
	for _, n := range g.windows {
		busiest = max(busiest, n)
	}
	return float64(busiest) * float64(len(g.windows)) / float64(g.requests)
}

// part returns when so many percent of n devices had their first token.
func (g figures) part(percent, n int) time.Duration {
	i := n*percent/100 - 1
	if i >= len(g.served) {
		return never
	}
	return g.served[i].Round(time.Second)
}

// TestFleetAfterABlackout switches on a million devices at once, against a
// server of 5,000 requests a second; without the tag deep a fiftieth of both, for
// a quarter of an hour.
func TestFleetAfterABlackout(t *testing.T) {
	t.Parallel()
	n, capacity := 20_000, 100
	if deep {
		n, capacity = 1_000_000, 5_000
	}
	f := newFleet(t, n, capacity, 5*time.Minute)
	first := f.runUntil(hour / 4)
	t.Logf("%d devices, %d requests/s: peak %d/s, %d refused; a token had 50 %% after %v, 99 %% after %v, all after %v",
		n, capacity, first.peak, first.refused, first.part(50, n), first.part(99, n), first.part(100, n))
	if first.peak > capacity {
		t.Errorf("the peak is %d requests/s of %d: a blackout of a city is an outage of the server", first.peak, capacity)
	}
	if took := first.part(99, n); took > 6*time.Minute {
		t.Errorf("99 %% have a token after %v, want 6 min", took)
	}
	if !deep {
		return // a fiftieth of the requests are too few to tell a wave from chance
	}
	f.runUntil(6 * hour)
	steady := f.runUntil(9 * hour)
	const limit = 1.25
	t.Logf("from the sixth hour on: %.0f requests/s on average, the busiest 10 s %.3f times that, peak %d/s", float64(steady.requests)/(3*3600), steady.unevenness(), steady.peak)
	if u := steady.unevenness(); u > limit {
		t.Errorf("from the sixth hour on the busiest 10 s have %.3f times the mean, want %.2f: the blackout rings on for ever", u, limit)
	}
	if steady.refused > 0 {
		t.Errorf("%d requests are refused in an ordinary hour", steady.refused)
	}

	// And the server's own outage: every device finds out by itself when it is over.
	f.down = true
	out := f.runUntil(11 * hour)
	f.down = false
	back := f.runUntil(12 * hour)
	valid := 0
	for i := range f.devices {
		if f.devices[i].m.access.left(f.now) > 0 {
			valid++
		}
	}
	t.Logf("an outage of two hours: %.1f tries of a device in it; after it peak %d/s, %d refused, %d without a token an hour later", float64(out.requests)/float64(n), back.peak, back.refused, n-valid)
	if back.peak > capacity || valid < n {
		t.Errorf("after an outage of two hours: peak %d/s of %d, %d devices without a token an hour later", back.peak, capacity, n-valid)
	}
}

// TestFleetInUseAfterABlackout: where a program asks, nobody waits for minutes.
func TestFleetInUseAfterABlackout(t *testing.T) {
	t.Parallel()
	n, capacity := 20_000, 100
	if deep {
		n, capacity = 1_000_000, 5_000
	}
	f := newFleet(t, n, capacity, 5*time.Minute)
	inUse := n / 100
	var late time.Duration
	for i := range f.devices[:inUse] {
		d := &f.devices[i]
		start := d.m.now
		d.m.step(start, tokenAsked{1, time.Minute, askPatience})
		late = max(late, d.m.refresh.due-start)
	}
	got := f.runUntil(hour / 4)
	t.Logf("%d devices of %d in use: they ask within %v; peak %d/s of %d, %d refused, 99 %% of all after %v", inUse, n, late.Round(10*time.Millisecond), got.peak, capacity, got.refused, got.part(99, n))
	if late > 5*time.Second {
		t.Errorf("a device in use asks after %v, want 5 s", late)
	}
	if took := got.part(99, n); took > 6*time.Minute {
		t.Errorf("99 %% have a token after %v, want 6 min", took)
	}
}
