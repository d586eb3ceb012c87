package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// house is where a story takes place: the device with its disk and its power
// switch, the person, and Amazon at the other end of the line. All of it is in
// a bubble, so time costs nothing.
type house struct {
	t     *testing.T
	sim   *lwatest.Sim
	cfg   Config
	start time.Time
	boot  time.Time // of the machine
	kills int

	agent *Agent
	line  *wire
	cutAt int // of the next line

	looked *view // the last that holds no secret

	before  func(a *Agent)                            // what happens before the loop runs
	through func(http.RoundTripper) http.RoundTripper // what lies between the line and Amazon; nil: nothing
	stop    context.CancelFunc
	ended   chan error
	log     safeBuffer
}

func newHouse(t *testing.T, o lwatest.Options, clientID, method string) *house {
	endpoints, _ := lwa.RegionEndpoints("na")
	h := &house{t: t, sim: lwatest.New(o), start: time.Now(), boot: time.Now().Add(-bootUp), cutAt: -1}
	h.cfg = Config{
		Client: lwa.Client{
			ID: clientID, Scopes: []string{"profile"}, RedirectURI: lwatest.ReturnURL, Endpoints: endpoints,
		},
		Method: method, StateDir: filepath.Join(stateRoot(t), "0"), BootID: "boot-1",
		Uptime: func() time.Duration { return time.Since(h.boot) },
		Log:    slog.New(slog.NewTextHandler(&h.log, nil)),
	}
	if clientID == lwatest.WebClientID {
		h.cfg.Client.Secret = lwa.NewSecret(lwatest.WebClientSecret)
	}
	return h
}

// stateRoot is in memory where it can be: a story may have months of saves.
func stateRoot(t *testing.T) string {
	if dir := memoryDir(t); dir != "" {
		return dir
	}
	return t.TempDir()
}

func (h *house) powerOn() {
	h.t.Helper()
	to := h.sim.RoundTripper()
	if h.through != nil {
		to = h.through(to)
	}
	h.line = &wire{to: to, cutAt: h.cutAt, dead: make(chan struct{})}
	h.cfg.Client.Transport = h.line
	a, err := newAgent(h.cfg)
	if err != nil {
		h.t.Fatalf("the agent does not start: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	h.agent, h.stop, h.ended = a, stop, make(chan error, 1)
	if h.before != nil {
		h.before(a)
	}
	go func() { h.ended <- a.Run(ctx) }()
	synctest.Wait()
}

// shutDown is SIGTERM: the agent may finish what must not be lost.
func (h *house) shutDown() {
	h.t.Helper()
	if h.agent == nil {
		return
	}
	h.stop()
	if err := <-h.ended; err != nil {
		h.t.Errorf("the agent ended with %v", err)
	}
	h.agent = nil
}

// kill is SIGKILL: of what the agent does from now on nothing reaches the disk
// or Amazon. The old one ends on a directory and a line that nobody uses.
func (h *house) kill() {
	h.t.Helper()
	synctest.Wait()
	h.kills++
	copied := filepath.Join(filepath.Dir(h.cfg.StateDir), fmt.Sprint("after kill ", h.kills))
	must(h.t, os.CopyFS(copied, os.DirFS(h.cfg.StateDir)))
	h.cfg.StateDir = copied
	close(h.line.dead)
	h.shutDown()
}

func (h *house) restart() {
	h.t.Helper()
	h.shutDown()
	h.powerOn()
}

// reboot pulls the plug. The machine is back after a while, and the agent
// starts 25 s after its boot.
func (h *house) reboot() {
	h.t.Helper()
	if h.agent != nil {
		h.kill()
	}
	time.Sleep(15 * time.Second)
	h.boot, h.cfg.BootID = time.Now(), h.cfg.BootID+"'"
	time.Sleep(25 * time.Second)
	h.powerOn()
}

// end checks what must hold in every story.
func (h *house) end() {
	h.t.Helper()
	h.shutDown()
	for _, v := range h.sim.Violations() {
		h.t.Errorf("Amazon objects: %s", v)
	}
	if twice := h.sim.CodesSentTwice(); len(twice) != 0 {
		h.t.Errorf("%d codes were sent twice", len(twice))
	}
	for _, secret := range []string{"Atza|", "Atzr|", "/ap/oa?", "amzn1.oa2-cs", "code=AN"} {
		if strings.Contains(h.log.String(), secret) {
			h.t.Errorf("the log holds %q:\n%s", secret, h.log.String())
		}
	}
	if h.t.Failed() {
		lines := strings.SplitAfter(h.log.String(), "\n")
		h.t.Logf("the end of the agent's log:\n%s", strings.Join(lines[max(0, len(lines)-20):], ""))
	}
}

func (h *house) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until lets time pass until it is true, at most for a while; it returns how
// long that was.
func (h *house) until(what string, most time.Duration, isTrue func() bool) time.Duration {
	h.t.Helper()
	synctest.Wait()
	begin := time.Now()
	for !isTrue() {
		if time.Since(begin) >= most {
			h.t.Fatalf("%s: not within %v; the status is %s", what, most, h.agent.view.Load().json)
		}
		h.pass(time.Second)
	}
	return time.Since(begin)
}
