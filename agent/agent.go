// Package agent keeps a device linked to an account: it offers a link while
// there is none, keeps the tokens fresh while there is one, and hands access
// tokens to the programs of the device.
//
// It knows no display, no command line and no systemd.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"lwa-agent/lwa"
)

// Config is what an agent is made from. Of it, Client, Method, Code,
// BootSpread, Inbox, TokenFiles and Access can be changed later by Reconfigure.
type Config struct {
	Client     lwa.Client // an empty SerialNumber is made once and kept
	Method     string     // MethodCode or MethodCBL
	Code       lwa.Secret // a text to try once, as if it had been dropped
	BootSpread time.Duration
	Inbox      []string // paths that take dropped files; with a trailing slash a directory
	TokenFiles []TokenFile
	Access     []Access // none: the sockets' groups alone decide

	StateDir   string
	RuntimeDir string // of the sockets and the access token; empty: none of them, for tests in virtual time
	BootID     string // of the running kernel; empty: unknown, so no access token is kept over a restart
	BoardID    string // of this device; empty: unknown, so a copied link is not noticed
	Version    string

	// Uptime is the machine's clock: since boot, suspend included
	// (CLOCK_BOOTTIME, which Go's timers do not follow).
	Uptime func() time.Duration
	// Alive is called by the loop, when everything is up and at least every
	// 30 s from then on: it feeds systemd's watchdog. Nil: there is none.
	Alive func()
	// NetworkChanged and ClockSet tell that waiting may be over: WatchNetwork's
	// and WatchClock's. Nil: never.
	NetworkChanged <-chan struct{}
	ClockSet       <-chan struct{}
	Log            *slog.Logger

	// StoreKeyFile holds the 32 bytes that what is kept in StateDir is encrypted
	// with; empty, or no such file: it is kept in plain text. It is read once.
	StoreKeyFile string

	// CardNote is a file that is there while what was put on the boot partition
	// was refused; empty: nobody makes one.
	CardNote string

	disk fileSystem // nil: the kernel's
}

// Agent is a running agent. One goroutine, Run's, owns everything in it but
// the fields that say otherwise; there is no mutex. Who wants something from
// it sends an event or a question and may give up waiting; who wants to know
// something reads the published view.
type Agent struct {
	cfg     Config
	notice  Warning     // of the state directory
	client  *lwa.Client // of the next call; calls in flight have copies
	disk    fileSystem
	store   *store
	m       *machine
	serial  string        // made and kept; empty while it could not be kept
	settled time.Duration // uptime when the store was last settled, or tried to be

	inbox       *inbox
	stopInbox   context.CancelFunc
	calls       map[uint64]context.CancelFunc
	questions   uint64
	waiting     map[uint64]chan<- replied
	displays    map[uint64][]Display // by the connection that reported them
	unwritable  bool                 // the last look at the state directory said so, and no save has been tried since
	unsteady    bool                 // the start is counted as a crash, should it be one
	started     time.Duration        // uptime
	looked      *inbox               // that the last tick looked at
	turns       uint64               // it had made by then
	tokenSock   *tokenSocket         // nil while not linked
	servers     []httpSocket
	toldEnd     time.Time // of the access token, in the token files
	runtimeLock *os.File  // held for life, or a second agent would take the sockets over

	// For other goroutines.
	view     atomic.Pointer[view]
	rules    atomic.Pointer[rules]
	takings  takings
	accepted atomic.Uint64 // numbers connections
	denied   atomic.Int64  // uptime when a denial was last told to the log
	events   chan event
	asked    chan question
	jobs     chan func() // changes that are no business of the machine's
	ended    chan struct{}
}

// New locks and loads the state directory and opens the sockets. Errors are
// for people; the caller may show them and end.
func New(cfg Config) (*Agent, error) {
	disk := cfg.disk
	if disk == nil {
		disk = kernel{}
	}
	st, err := openStore(cfg.StateDir, disk)
	if err != nil {
		return nil, err
	}
	st.useKey(cfg.StoreKeyFile)
	rec, trouble := st.load()
	if errors.Is(trouble, errNewer) {
		return nil, errors.Join(trouble, st.close())
	}
	a := &Agent{
		cfg: cfg, client: &cfg.Client, disk: disk, store: st,
		calls: map[uint64]context.CancelFunc{}, waiting: map[uint64]chan<- replied{}, displays: map[uint64][]Display{},
		events: make(chan event, 16), asked: make(chan question), jobs: make(chan func()), ended: make(chan struct{}),
	}
	var why string
	if trouble != nil {
		why = strings.ReplaceAll(trouble.Error(), "\n", "; ")
		cfg.Log.Error("state directory cannot be read", "error", why)
	}
	a.settleStore(rec)
	_ = a.keepSerial() // tried again before the first save
	if cfg.RuntimeDir != "" {
		if err := a.prepareRuntimeDir(); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	now := cfg.Uptime()
	seed := rand.NewPCG(rand.Uint64(), rand.Uint64())
	a.m = newMachine(a.settings(), rec, a.loadAccess(rec.Link), now, bootTime(now), rand.New(seed))
	a.m.foundOnDisk(trouble, why)
	a.m.writes = st.writes
	if a.notice = st.lasting(); a.notice != (Warning{}) {
		cfg.Log.Warn("state directory", "warning", a.notice.Message, "hint", a.notice.Hint)
	}
	for _, w := range a.m.warnings() {
		cfg.Log.Warn("link", "warning", w.Message, "hint", w.Hint)
	}
	a.started = now
	a.rules.Store(resolve(cfg.Access))
	a.heedCrashes()
	if news := a.lookAtDisk(); news.problem != "" {
		cfg.Log.Warn("state directory cannot be written", "error", news.problem)
		a.m.heardOfDisk(news)
	}
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
	} else {
		err = a.store.keepSerial(a.serial)
	}
	if a.client.SerialNumber == "" {
		a.client.SerialNumber = a.serial
	}
	return err
}

func (a *Agent) settings() settings {
	return settings{
		client: a.client, method: a.cfg.Method, bootSpread: a.cfg.BootSpread,
		code: a.cfg.Code, bootID: a.cfg.BootID, board: a.cfg.BoardID, serial: a.cfg.Client.SerialNumber,
	}
}
