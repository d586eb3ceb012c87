package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"lwa-agent/agent"
	"lwa-agent/agent/linkpage"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/lwa"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// runAgent is the daemon until ctx ends.
func runAgent(ctx context.Context, o runOptions) error {
	if err := hideMemory(); err != nil {
		return err
	}
	cfg, err := config.Load(o.configPath, o.streams.Env)
	if err != nil {
		return err
	}
	log := newLog(o)
	warnOf(cfg, log)
	c := agentConfig(cfg, o.streams.Env)
	c.Log, c.Alive = log, notifier()
	defer o.transcribe(&c.Client, log)()
	if c.NetworkChanged, err = agent.WatchNetwork(ctx); err != nil {
		log.Warn("changes of the network are not noticed; waits end by themselves", "error", err)
	}
	if c.ClockSet, err = agent.WatchClock(ctx); err != nil {
		log.Warn("a clock that is set is noticed late; waits end by themselves", "error", err)
	}
	a, err := agent.New(c)
	if err != nil {
		return err
	}

	// What follows the agent ends with it.
	ctx, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	tasks.Go(func() {
		a.Statuses(ctx, func(st agent.Status) bool {
			_, _ = daemon.SdNotify(false, "STATUS="+statusText(st)) // nobody listens: fine
			return true
		})
	})
	tasks.Go(func() { liveLean(ctx, o.streams.Env) })
	page := linkpage.New(a, pageConfig(cfg), log)
	tasks.Go(func() { page.Run(ctx) })
	tasks.Go(func() {
		followConfig(ctx, o, cfg, log, func(next config.Config) {
			changed := agentConfig(next, o.streams.Env)
			changed.Client.Transport = c.Client.Transport
			a.Reconfigure(ctx, changed)
			moved := pageConfig(next)
			moved.StateDir = cfg.StateDir // another one is taken over at the next start
			page.Reconfigure(ctx, moved)
		}, a.ConfigBroken)
	})
	if o.display {
		tasks.Go(func() {
			statuses := func(ctx context.Context, yield func(agent.Status)) {
				a.Statuses(ctx, func(st agent.Status) bool { yield(st); return true })
			}
			out, _ := o.streams.Out.(*os.File)
			drawStatuses(ctx, cfg.Displays, out, o.streams.Env, o.streams.Err, statuses, a.ShowDisplays)
		})
	}
	err = a.Run(ctx)
	stop()
	tasks.Wait()
	return err
}

// transcribe has what the client says and hears written down, if that is wished,
// until the function that it returns is called. A file that is there already, as
// at the next start of a service, or a full disk is no reason not to run.
func (o runOptions) transcribe(client *lwa.Client, log *slog.Logger) (end func()) {
	if o.transcript == "" {
		return func() {}
	}
	t, closeFile, err := openTranscript(o.transcript)
	if err != nil {
		log.Warn("there is no transcript of this run", "error", err)
		return func() {}
	}
	client.Transport = t.Through(client.Transport)
	return func() {
		if err := closeFile(); err != nil {
			log.Warn("transcript", "error", err)
		}
	}
}

// liveLean has garbage collected early once the start is over. What an agent
// keeps alive is about 2 MB, and by Go's default as much again and more would
// lie unused beside it for half an hour; the start, and the QR code that somebody
// waits for, are over sooner without.
func liveLean(ctx context.Context, env config.Env) {
	const start, percent = 10 * time.Second, 30
	if env("GOGC") == "" && pause(ctx, start) {
		debug.SetGCPercent(percent)
	}
}

// hideMemory keeps tokens out of core dumps and from other processes of the
// same user (prctl(2), PR_SET_DUMPABLE).
func hideMemory() error {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // the unit's sandbox forbids it and has done it
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot turn core dumps off: %w", err)
	}
	return nil
}

func warnOf(cfg config.Config, log *slog.Logger) {
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "warning", w)
	}
}

func newLog(o runOptions) *slog.Logger {
	out := o.streams.Err
	if o.display && isTerminal(out) {
		out = io.Discard // it would run through the picture; the screen says what is wrong
	}
	if stderrIsJournal(out, o.streams.Env("JOURNAL_STREAM")) {
		return slog.New(newJournalHandler(journalPath, out))
	}
	options := &slog.HandlerOptions{}
	if o.streams.Env("JOURNAL_STREAM") != "" { // the journal has its own time
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// notifier tells systemd that the loop is alive, and at the first call that the
// service is ready (sd_notify(3)). The loop calls it, so a loop that hangs
// starves the watchdog.
func notifier() func() {
	ready := false
	return func() {
		message := daemon.SdNotifyWatchdog
		if !ready {
			message += "\n" + daemon.SdNotifyReady
			ready = true
		}
		_, _ = daemon.SdNotify(false, message) // nobody listens: fine
	}
}

func agentConfig(cfg config.Config, env config.Env) agent.Config {
	return agent.Config{
		Client: lwa.Client{
			ID: cfg.ClientID, Secret: cfg.ClientSecret, Scopes: cfg.Scopes, RedirectURI: cfg.RedirectURI,
			ProductID: cfg.Device.ProductID, SerialNumber: cfg.Device.SerialNumber,
			Endpoints: cfg.Endpoints, Transport: lwa.NewTransport(),
		},
		Method: cfg.Method, Code: cfg.Code, BootSpread: cfg.BootSpread, Inbox: cfg.Inbox, TokenFiles: cfg.TokenFiles, Access: cfg.Access,
		StateDir: cfg.StateDir, RuntimeDir: cfg.RuntimeDir, BootID: bootID(env), BoardID: agent.BoardID(), Version: shortVersion(),
		Uptime: agent.Uptime, StoreKeyFile: storeKeyFile(env), CardNote: cardNote(cfg.RuntimeDir),
	}
}

// storeKeyFile is where systemd puts the credential store-key, if the unit has
// one (systemd.exec(5), LoadCredentialEncrypted=).
func storeKeyFile(env config.Env) string {
	dir := env("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "store-key")
}

func pageConfig(cfg config.Config) linkpage.Config {
	p := cfg.LinkPage
	return linkpage.Config{Listen: p.Listen, CertFile: p.CertFile, KeyFile: p.KeyFile, RedirectURI: cfg.RedirectURI, StateDir: cfg.StateDir}
}

// bootID names the running boot. The unit passes it on, because its sandbox
// hides the kernel's file.
func bootID(env config.Env) string {
	if id := env("LWA_AGENT_BOOT_ID"); id != "" {
		return strings.ReplaceAll(id, "-", "")
	}
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // unknown is "": no token is kept over a restart
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "-", "")
}

// statusText is the line that systemctl status shows.
func statusText(st agent.Status) string {
	text := st.State
	switch st.State {
	case agent.Linked:
		if st.Account != "" {
			text += " to " + st.Account
		}
		if st.ExpiresAt != nil {
			text += ", token good until " + st.ExpiresAt.Local().Format(time.TimeOnly)
		}
		if st.NextRefresh != nil {
			text += ", next refresh at " + st.NextRefresh.Local().Format(time.TimeOnly)
		}
	case agent.Unlinked:
		text = cmp.Or(st.Reason, "not linked") + "; link it with: lwa-agent link"
	default:
		text = cmp.Or(st.Reason, text)
	}
	if p := st.LastError; p != nil {
		text += "; " + p.Message
	}
	return printable(text)
}
