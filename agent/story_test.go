package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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

	before  func(a *Agent)                            // what happens before the loop runs
	through func(http.RoundTripper) http.RoundTripper // what lies between the line and Amazon; nil: nothing
	stop    context.CancelFunc
	ended   chan error
	log     safeBuffer
}

// story tells one in a bubble with a new device, and checks at its end what
// must hold in every story.
func story(t *testing.T, o lwatest.Options, clientID, method string, tell func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, o, clientID, method)
		defer h.end()
		h.powerOn()
		tell(t, h)
	})
}

// codeStory is story by the authorize URL, cblStory by code-based linking.
func codeStory(t *testing.T, o lwatest.Options, tell func(t *testing.T, h *house)) {
	t.Helper()
	story(t, o, lwatest.MobileClientID, MethodCode, tell)
}

func cblStory(t *testing.T, o lwatest.Options, tell func(t *testing.T, h *house)) {
	t.Helper()
	story(t, o, lwatest.DeviceClientID, MethodCBL, tell)
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

func (h *house) status() Status {
	h.t.Helper()
	synctest.Wait()
	v := h.agent.view.Load()
	if bytes.Contains(v.json, []byte("Atza|")) || bytes.Contains(v.json, []byte("Atzr|")) || bytes.Contains(v.json, []byte("oa2-cs")) {
		h.t.Errorf("the status holds a secret: %s", v.json)
	}
	return v.status
}

func (h *house) is(state string) func() bool {
	return func() bool { return h.status().State == state }
}

func (h *house) wantState(state, why string) Status {
	h.t.Helper()
	s := h.status()
	if s.State != state {
		h.t.Fatalf("%s: state is %q (%s, last error %+v), want %q", why, s.State, s.Reason, s.LastError, state)
	}
	return s
}

func (h *house) wantError(code, why string) Problem {
	h.t.Helper()
	p := h.status().LastError
	if p == nil {
		p = &Problem{}
	}
	if p.Code != code {
		h.t.Fatalf("%s: last error is %+v, want %q", why, *p, code)
	}
	return *p
}

// token asks as a program does, and says how long that took.
func (h *house) token(minValid time.Duration) (access, replied, time.Duration) {
	h.t.Helper()
	begin := time.Now()
	acc, r, err := h.agent.goodToken(h.t.Context(), minValid, askPatience)
	if err != nil {
		h.t.Fatalf("asking for a token: %v", err)
	}
	return acc, r, time.Since(begin)
}

// wantToken asks for a token that must be there at once.
func (h *house) wantToken(why string) access {
	h.t.Helper()
	acc, r, took := h.token(0)
	if r.outcome != done || acc.left(h.cfg.Uptime()) <= 0 || took != 0 {
		h.t.Fatalf("%s: the token has %v left after %v (%+v), want a good one at once", why, acc.left(h.cfg.Uptime()), took, r.problem)
	}
	return acc
}

// signIn is the person with the phone; it returns the address that the
// browser ends on.
func (h *house) signIn() string {
	h.t.Helper()
	s := h.status()
	if s.AuthorizeURL == "" {
		h.t.Fatalf("no QR code is shown to sign in with: %+v", s)
	}
	back, err := h.sim.Allow(s.AuthorizeURL)
	if err != nil {
		h.t.Fatal(err)
	}
	return back
}

// post hands a text in, as lwa-agent code does.
func (h *house) post(text string) replied {
	h.t.Helper()
	drop, err := lwa.ParseDrop([]byte(text))
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(h.t.Context(), time.Minute)
	defer stop()
	r, err := h.agent.ask(ctx, func(id uint64) event { return codePosted{question: id, drop: drop} })
	if err != nil {
		h.t.Fatalf("nobody answers to a code: %v", err)
	}
	return r
}

func (h *house) change(ev func(id uint64) event) replied {
	h.t.Helper()
	ctx, stop := context.WithTimeout(h.t.Context(), time.Minute)
	defer stop()
	r, err := h.agent.ask(ctx, ev)
	if err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// link links the device by the authorize URL or the code on the screen.
func (h *house) link() {
	h.t.Helper()
	if h.cfg.Method == MethodCode {
		h.post(h.signIn())
	} else {
		h.until("a code on the screen", time.Minute, func() bool { return h.status().UserCode != "" })
		must(h.t, h.sim.AllowPair(h.status().UserCode))
	}
	h.until("linked", 2*time.Minute, h.is(Linked))
}

// onDisk is the record that a new start would find.
func (h *house) onDisk() record {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.cfg.StateDir, currentName))
	must(h.t, err)
	r, _, err := decodeRecord(text)
	must(h.t, err)
	return r
}

// times are when requests of a kind arrived, since the story's begin.
func (h *house) times(kind lwatest.Kind) (times []time.Duration) {
	for _, r := range h.sim.Requests() {
		if r.Kind == kind {
			times = append(times, r.At.Sub(h.start))
		}
	}
	return times
}

func TestFromQRCodeToTokenAndOnForADay(t *testing.T) {
	t.Parallel()
	for _, id := range []string{lwatest.MobileClientID, lwatest.WebClientID} {
		story(t, lwatest.Options{Skew: 3 * time.Hour}, id, MethodCode, func(t *testing.T, h *house) {
			s := h.wantState(Unlinked, "a new device")
			if s.AuthorizeURL == "" || s.UserCode != "" || s.Reason != "not linked yet" || s.SerialNumber == "" {
				t.Errorf("a new device says %+v, want the authorize URL, its serial number and why", s)
			}
			if _, r, _ := h.token(0); r.outcome != notLinked {
				t.Errorf("a token is asked for before linking: outcome %d, want not linked", r.outcome)
			}
			if r := h.post(h.signIn()); r.outcome != done {
				t.Fatalf("the code was not taken: %+v", r.problem)
			}
			h.pass(0)
			s = h.wantState(Linked, "the code is good")
			if s.Account != "Jo Example" || s.AuthorizeURL != "" || s.LinkedSince == nil || s.ExpiresAt == nil || s.NextRefresh == nil || s.LastError != nil || !slices.Equal(s.Scopes, []string{"profile"}) {
				t.Errorf("linked, the status is %+v; want the account named, times, and no way to link", s)
			}
			if s.Clock.SkewSeconds != 3*60*60 {
				t.Errorf("clock skew %d s, want Amazon's 3 h", s.Clock.SkewSeconds)
			}
			h.wantToken("just linked")
			writes := h.status().StoreWrites
			seen := map[lwa.Secret]bool{}
			for range 24 * 6 {
				h.pass(10 * time.Minute)
				seen[h.wantToken("a day").Token] = true
			}
			// An hour's token is renewed after 30 to 45 minutes.
			if n := h.sim.Count(lwatest.Refresh); n < 24*60/45 || n > 24*2+1 || len(seen) != n+1 {
				t.Errorf("%d refreshes and %d tokens in a day, want %d to %d", n, len(seen), 24*60/45, 24*2+1)
			}
			if now := h.status().StoreWrites; now != writes {
				t.Errorf("%d writes to flash in a day in which nothing changed", now-writes)
			}
		})
	}
}
