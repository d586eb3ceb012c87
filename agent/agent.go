// Package agent keeps a device linked to an account: it offers a link while
// there is none, keeps the tokens fresh while there is one, and hands access
// tokens to the programs of the device.
//
// It knows no display, no command line and no systemd.
package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lwa-agent/lwa"
)

// stopPatience is how long a call in flight may hold up the end: its answer
// may be the only copy of a new refresh token.
const stopPatience = 5 * time.Second

// Config is what an agent is made from. Of it, Client, Method, Code,
// BootSpread, Inbox and TokenFiles can be changed later by Reconfigure.
type Config struct {
	Client     lwa.Client // an empty SerialNumber is made once and kept
	Method     string     // MethodCode or MethodCBL
	Code       lwa.Secret // a text to try once, as if it had been dropped
	BootSpread time.Duration
	Inbox      []string // paths that take dropped files; with a trailing slash a directory
	TokenFiles []TokenFile

	StateDir   string
	RuntimeDir string // of the sockets and the access token; empty: none of them, for tests in virtual time
	BootID     string // of the running kernel; empty: unknown, so no access token is kept over a restart
	Version    string

	// Uptime is the machine's clock: since boot, suspend included
	// (CLOCK_BOOTTIME, which Go's timers do not follow).
	Uptime func() time.Duration
	// Alive is called by the loop, when everything is up and at least every
	// 30 s from then on: a watchdog's food. Nil: nobody cares.
	Alive func()
	// NetworkChanged tells that waiting for the network may be over. Nil: never.
	NetworkChanged <-chan struct{}
	Log            *slog.Logger
}

// Agent is a running agent. One goroutine, Run's, owns everything in it but
// the fields that say otherwise; there is no mutex. Who wants something from
// it sends an event or a question and may give up waiting; who wants to know
// something reads the published view.
type Agent struct {
	cfg    Config
	client *lwa.Client // of the next call; calls in flight have copies
	store  *store
	m      *machine
	serial string // made and kept; empty while it could not be kept

	inbox     *inbox
	stopInbox context.CancelFunc
	calls     map[uint64]context.CancelFunc
	questions uint64
	waiting   map[uint64]chan<- replied
	displays  map[uint64][]Display // by the connection that reported them
	tokenSock *tokenSocket         // nil while not linked
	sockets   []closer

	// For other goroutines.
	view     atomic.Pointer[view]
	accepted atomic.Uint64 // numbers connections
	events   chan event
	asked    chan question
	jobs     chan func() // changes that are no business of the machine's
	ended    chan struct{}
}

// view is what the loop has told the world; it never changes.
type view struct {
	status  Status
	json    []byte // of status, on a line
	access  access
	spurned bool          // access is known to be bad
	next    chan struct{} // closed when there is a newer view
}

// question is an event that wants a reply.
type question struct {
	event func(id uint64) event
	reply chan<- replied // buffered
}

// replied is a reply on its way, with the access token of that moment.
type replied struct {
	outcome outcome
	problem Problem
	wait    time.Duration
	access  access
}

// New locks and loads the state directory and opens the sockets. Errors are
// for people; the caller may show them and end.
func New(cfg Config) (*Agent, error) {
	st, err := openStore(cfg.StateDir)
	if err != nil {
		return nil, err
	}
	rec, trouble := st.load()
	if errors.Is(trouble, errNewer) {
		return nil, errors.Join(trouble, st.close())
	}
	a := &Agent{
		cfg: cfg, client: &cfg.Client, store: st,
		calls: map[uint64]context.CancelFunc{}, waiting: map[uint64]chan<- replied{}, displays: map[uint64][]Display{},
		events: make(chan event, 16), asked: make(chan question), jobs: make(chan func()), ended: make(chan struct{}),
	}
	var why string
	if trouble != nil {
		why = strings.ReplaceAll(trouble.Error(), "\n", "; ")
		cfg.Log.Error("state directory damaged", "error", why)
	}
	_ = a.keepSerial() // tried again before the first save
	if cfg.RuntimeDir != "" {
		if err := a.prepareRuntimeDir(); err != nil {
			return nil, errors.Join(err, st.close())
		}
	}
	now := cfg.Uptime()
	seed := rand.NewPCG(rand.Uint64(), rand.Uint64())
	a.m = newMachine(a.settings(), rec, a.loadAccess(rec.Link), why, now, time.Now().Add(-now), rand.New(seed))
	a.publish()
	if cfg.RuntimeDir != "" {
		if err := a.listen(); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

// keepSerial makes sure of the serial number. One that could not be kept is
// not used: linking again would make a second device.
func (a *Agent) keepSerial() (err error) {
	if a.serial == "" {
		a.serial, err = a.store.serial()
	}
	if a.client.SerialNumber == "" {
		a.client.SerialNumber = a.serial
	}
	return err
}

func (a *Agent) settings() settings {
	return settings{
		client: a.client, method: a.cfg.Method, bootSpread: a.cfg.BootSpread,
		code: a.cfg.Code, bootID: a.cfg.BootID,
	}
}

// Run works until ctx is done, then finishes what must not be lost.
func (a *Agent) Run(ctx context.Context) error {
	a.watchInbox(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-timer.C:
			a.tick()
		case ev := <-a.events:
			a.handle(ev)
		case q := <-a.asked:
			a.questions++
			a.waiting[a.questions] = q.reply
			a.handle(q.event(a.questions))
		case r := <-a.inboxReports():
			a.inboxReported(r)
		case <-a.cfg.NetworkChanged:
			a.handle(networkChanged{})
		case job := <-a.jobs:
			job()
		}
		a.publish()
		timer.Reset(a.m.deadline() - a.cfg.Uptime())
	}
	a.finishCall()
	close(a.ended) // lets go of everybody who waits, or the sockets could not close
	return a.close()
}

func (a *Agent) tick() {
	a.handle(ticked{synchronized: clockSynchronized(), epoch: time.Now().Add(-a.cfg.Uptime())})
	if a.inbox != nil {
		a.inbox.rescan()
	}
	if a.cfg.Alive != nil {
		a.cfg.Alive()
	}
}

// handle gives an event to the machine and carries out what it wants. The
// outcome of a save goes in before anything else can.
func (a *Agent) handle(ev event) {
	if ans, is := ev.(answered); is {
		delete(a.calls, ans.call)
	}
	for _, e := range a.m.step(a.cfg.Uptime(), ev) {
		if outcome := a.execute(e); outcome != nil {
			a.handle(outcome)
		}
	}
}

// finishCall waits for an answer that may hold the only copy of a token.
func (a *Agent) finishCall() {
	patience := time.After(stopPatience)
	for a.m.inCall.id != 0 {
		if kind := a.m.inCall.kind; kind == callProfile || kind == callMake {
			return
		}
		before := a.m.inCall.id
		select {
		case ev := <-a.events:
			if ev, is := ev.(answered); is {
				a.handle(ev)
			}
		case <-patience:
			return
		}
		if a.m.inCall.id != before {
			return // what the machine starts now is for the next start
		}
	}
}

func (a *Agent) close() error {
	for _, stop := range a.calls {
		stop()
	}
	if a.tokenSock != nil {
		a.tokenSock.close()
	}
	for _, s := range a.sockets {
		s.close()
	}
	return a.store.close()
}

// publish makes the new view known if anything in it is new.
func (a *Agent) publish() {
	v := &view{status: a.m.status(), access: a.m.access, spurned: a.m.spurned, next: make(chan struct{})}
	v.status.Version = a.cfg.Version
	v.status.Displays = a.allDisplays()
	if v.status.AuthorizeURL != "" {
		v.status.Inbox = a.cfg.Inbox
	}
	v.json = line(v.status)
	old := a.view.Load()
	if old != nil && bytes.Equal(old.json, v.json) && old.access == v.access && old.spurned == v.spurned {
		return
	}
	a.view.Store(v)
	if a.cfg.RuntimeDir != "" {
		a.keepTokenSocket(v.status.State == Linked)
	}
	if old != nil {
		close(old.next)
	}
}

func (a *Agent) allDisplays() []Display {
	var all []Display
	for _, conn := range slices.Sorted(maps.Keys(a.displays)) {
		all = append(all, a.displays[conn]...)
	}
	return all
}

// Statuses calls yield with the status and then with each newer one, until
// ctx is done, the agent has ended or yield returns false. A slow yield
// misses statuses, never the last one.
func (a *Agent) Statuses(ctx context.Context, yield func(Status) bool) {
	a.views(ctx, func(v *view) bool { return yield(v.status) })
}

func (a *Agent) views(ctx context.Context, yield func(*view) bool) {
	for {
		v := a.view.Load()
		if !yield(v) {
			return
		}
		select {
		case <-v.next:
		case <-ctx.Done():
			return
		case <-a.ended:
			return
		}
	}
}

// ask sends a question to the loop and waits for the reply.
func (a *Agent) ask(ctx context.Context, ev func(id uint64) event) (replied, error) {
	reply := make(chan replied, 1)
	select {
	case a.asked <- question{ev, reply}:
	case <-a.ended:
		return replied{}, errEnded
	case <-ctx.Done():
		return replied{}, ctx.Err()
	}
	select {
	case r := <-reply:
		return r, nil
	case <-a.ended:
		return replied{}, errEnded
	case <-ctx.Done():
		return replied{}, ctx.Err()
	}
}

var errEnded = errors.New("the agent is stopping")

// tell sends an event that wants no reply.
func (a *Agent) tell(ev event) {
	select {
	case a.events <- ev:
	case <-a.ended:
	}
}

// ConfigBroken tells that the configuration changed and is wrong. The agent
// goes on with the one from before and says so.
func (a *Agent) ConfigBroken(err error) {
	a.tell(configBroken{strings.ReplaceAll(err.Error(), "\n", "; also ")})
}

// Reconfigure takes a changed configuration over. A link that fits it stays.
func (a *Agent) Reconfigure(ctx context.Context, cfg Config) {
	job := func() {
		if cfg.StateDir != a.cfg.StateDir || cfg.RuntimeDir != a.cfg.RuntimeDir {
			a.handle(configBroken{"state_dir and runtime_dir are taken over at the next start only"})
			return
		}
		movedInbox := !slices.Equal(cfg.Inbox, a.cfg.Inbox)
		a.cfg.Client, a.cfg.Method, a.cfg.Code, a.cfg.BootSpread = cfg.Client, cfg.Method, cfg.Code, cfg.BootSpread
		a.cfg.Inbox, a.cfg.TokenFiles = cfg.Inbox, cfg.TokenFiles
		a.client = &cfg.Client // not over the old one, which the machine compares with
		_ = a.keepSerial()     // tried again before the next save
		a.handle(configured{a.settings()})
		if movedInbox {
			a.watchInbox(ctx)
		}
		a.keepAccess(a.m.access)
	}
	select {
	case a.jobs <- job:
	case <-a.ended:
	case <-ctx.Done():
	}
}

func (a *Agent) watchInbox(ctx context.Context) {
	if a.stopInbox != nil {
		a.stopInbox()
	}
	a.inbox, a.stopInbox = nil, nil
	if len(a.cfg.Inbox) == 0 {
		return
	}
	ctx, a.stopInbox = context.WithCancel(ctx)
	a.inbox = newInbox(a.cfg.Inbox, a.cfg.Log)
	go a.inbox.run(ctx)
}

func (a *Agent) inboxReports() <-chan inboxReport {
	if a.inbox == nil {
		return nil
	}
	return a.inbox.reports()
}

func (a *Agent) inboxReported(r inboxReport) {
	checked := inboxChecked{trouble: r.Trouble, offers: len(r.Offers)}
	if len(r.Refusals) > 0 {
		checked.refused = r.Refusals[0]
		if more := len(r.Refusals) - 1; more > 0 {
			checked.refused.Message += fmt.Sprintf(" (and %d more files)", more)
		}
	}
	a.handle(checked)
	for _, offer := range r.Offers {
		a.handle(codeDropped{offer.Drop, offer.File})
	}
}
