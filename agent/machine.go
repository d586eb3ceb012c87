package agent

import (
	"math/rand/v2"
	"time"

	"lwa-agent/lwa"
)

const (
	// tickIdle bounds each sleep: a timer does not run while the device is
	// suspended, so a deadline is looked at this much late at most.
	tickIdle = 30 * time.Second
	// tickOffer is the same while a link is offered: dropped files on file
	// systems without events are found by looking.
	tickOffer = 5 * time.Second
)

// settings is the part of the configuration that decisions depend on.
type settings struct {
	client     *lwa.Client // for what it is set to, and AuthorizeURL; the machine makes no call
	method     string
	bootSpread time.Duration
	code       lwa.Secret // the text of code in config.toml
	bootID     string
	board      string // BoardID; empty: unknown
	serial     string // the serial number that config.toml sets; empty: the kept one
}

// machine decides everything and does nothing: an event and the uptime go in,
// effects come out. It knows no clock, no file and no network, so each hard
// question (a code after unlinking, an answer after a revocation, a save that
// fails, an outage with a thousand programs asking) is a test that runs in
// microseconds.
//
// Its invariants: one call in flight; nothing that came with a save is told
// before the save ended; each question gets one reply; only unlink and a new
// link clear a refresh token; a code is sent once.
type machine struct {
	set   settings
	rng   *rand.Rand
	now   time.Duration // uptime of the event at hand
	epoch time.Time     // the wall clock's idea of uptime 0, for people
	// amazonEpoch is Amazon's idea of it; zero until an answer came.
	amazonEpoch  time.Time
	synchronized bool // something keeps the wall clock right
	// ticked is the uptime of the last tick. Events must not put the next one
	// off: it feeds a watchdog.
	ticked time.Duration
	out    []effect

	rec      record // as on disk, but for unsaved
	saving   func(problem string)
	unsaved  bool          // rec holds a link or a token that could not be saved
	resave   time.Duration // with unsaved: when to try again
	resaves  int           // with unsaved: how often it failed
	offerDue time.Duration // when to make an offer at the earliest

	calls    uint64 // numbers the calls
	stopping bool   // nothing is started any more
	inCall   call

	// All times are uptimes; a negative one at the start means long ago.
	access       access
	refresh      schedule
	lastReport   time.Duration // when a program's word last made us refresh; -1 never
	reported     bool          // a program says the API refuses the access token
	revivalTries int           // tries made with a revoked link
	account      schedule      // asking whose account it is
	spreading    bool          // the first refresh waits so that a fleet does not ask at once
	renewed      time.Duration // when the last refresh started
	asks         []ask

	network, clockMoved hope
	lastAttend          time.Duration // when somebody last said that they are here

	code     heldCode
	imported heldImport
	renumber string          // the serial number that the next save keeps; empty: as it is
	sent     []time.Duration // when the last codes were sent
	// taken are the files in the inbox that were answered, so that one that
	// cannot be removed is answered once.
	taken   []droppedFile
	pair    livePair
	newPair schedule // making the next pair
	prove   schedule
	seen    time.Duration // when somebody last was known to be near

	doors        Doors
	unlinkReason string
	problems     [sources]Problem
	raised       [sources]time.Duration
	writes       uint64
	tally        refreshTally
}

// newMachine starts from what the disk and the runtime directory hold.
func newMachine(set settings, rec record, kept access, now time.Duration, epoch time.Time, rng *rand.Rand) *machine {
	m := &machine{
		set: set, rng: rng, now: now, epoch: epoch, rec: rec,
		offerDue: now, refresh: idle(), account: idle(), prove: idle(), newPair: at(now),
		ticked: now - tickIdle, tally: refreshTally{last: -1}, lastReport: -1, renewed: -refreshGap, network: noHope(), clockMoved: noHope(), lastAttend: -attendEvery, seen: now,
	}
	if m.linked() && kept.left(now) > 0 {
		m.access = kept
		m.tally.last = kept.Expires - kept.Life
		m.refresh = at(now + m.renewal(kept.left(now)))
	} else if m.linked() || m.revoked() {
		m.refresh = at(now + m.firstWait())
	}
	if m.linked() && rec.Link.Account == "" && m.wantsAccount(rec.Link.Scopes) {
		m.account = at(now)
	}
	if m.candidate() {
		m.prove = at(now)
	}
	m.resumePair()
	return m
}

// firstWait spreads a fleet that got its power back at the same moment.
func (m *machine) firstWait() time.Duration {
	const sinceBoot = 10 * time.Minute
	if m.now > sinceBoot {
		return 0
	}
	m.spreading = true
	return upTo(m.set.bootSpread, m.rng)
}

// step takes one event at the given uptime and returns what to do.
func (m *machine) step(now time.Duration, ev event) []effect {
	m.now = max(now, m.now)
	m.out = nil
	switch ev := ev.(type) {
	case ticked:
		m.ticked = m.now
		m.setSynchronized(ev.synchronized)
		m.heardOfDisk(ev.disk)
		m.setEpoch(ev.epoch)
	case answered:
		m.answered(ev)
	case saved:
		m.saved(ev)
	case codePosted:
		m.codePosted(ev)
	case inboxChecked:
		m.inboxChecked(ev)
	case taken:
		m.show(sourceConsume, "inbox", ev.trouble)
	case accessKept:
		m.accessKept(ev)
	case tokenAsked:
		m.tokenAsked(ev)
	case tokenRefused:
		m.tokenRefused(ev)
	case relinkAsked:
		m.relinkAsked(ev)
	case relinkCanceled:
		m.relinkCanceled(ev)
	case unlinkAsked:
		m.unlinkAsked(ev)
	case importAsked:
		m.importAsked(ev)
	case attended:
		m.attend()
	case networkChanged:
		m.networkChanged()
	case clockSet:
		m.clockSet(ev)
	case stopping:
		m.stopping = true
		if m.unsaved && m.saving == nil {
			m.save(m.rec, m.resaved) // the last time
		}
	case doorsChanged:
		m.doorsChanged(ev)
	case configured:
		m.configured(ev)
	case configBroken:
		m.raise(sourceConfig, "config", ev.message, ev.hint)
	}
	m.plan()
	return m.out
}

func (m *machine) do(e effect) { m.out = append(m.out, e) }
