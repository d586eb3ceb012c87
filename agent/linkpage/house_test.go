package linkpage

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/agent"
	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

const patience = 20 * time.Second

// house is a device with its pages on real sockets, and a simulated Amazon.
type house struct {
	t     *testing.T
	sim   *lwatest.Sim
	agent *agent.Agent
	page  *Page
	cfg   Config
	log   lockedBuffer

	machine byte // which of the neighbours asks; 0: the person
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// options are what a story differs in.
type options struct {
	method   string
	redirect string // default: localhost at a free port, plain http
	browser  bool   // Amazon's pages are there for one
	change   func(cfg *Config)
	agent    func(cfg *agent.Config)
}

// open starts a device that is not linked; with the test it ends.
func open(t *testing.T, o options) *house {
	t.Helper()
	if o.redirect == "" {
		o.redirect = "http://localhost:" + freePort(t) + "/authresponse"
	}
	dir := t.TempDir()
	endpoints, _ := lwa.RegionEndpoints("na")
	h := &house{t: t, sim: lwatest.New(lwatest.Options{
		AccountName: "Ada Lovelace", PairInterval: 5 * time.Second,
		Clients: []lwatest.Client{
			{ID: lwatest.MobileClientID, Kind: lwatest.Mobile, ReturnURLs: []string{o.redirect}},
			{ID: lwatest.DeviceClientID, Kind: lwatest.Device},
		},
	})}
	if o.browser {
		amazon := httptest.NewServer(h.sim)
		t.Cleanup(amazon.Close)
		endpoints.Authorize = amazon.URL + "/ap/oa"
		h.sim.Change(func(o *lwatest.Options) { o.BaseURL = amazon.URL })
	}
	h.cfg = Config{Listen: "127.0.0.1:0", RedirectURI: o.redirect, StateDir: filepath.Join(dir, "state")}
	if o.change != nil {
		o.change(&h.cfg)
	}
	log := slog.New(slog.NewTextHandler(&h.log, nil))
	c := agent.Config{
		Client: lwa.Client{
			ID: lwatest.MobileClientID, Scopes: []string{"profile"}, RedirectURI: o.redirect, Endpoints: endpoints, Transport: h.sim.RoundTripper(),
		},
		Method: agent.MethodCode, StateDir: h.cfg.StateDir, Uptime: agent.Uptime, Log: log,
	}
	if o.method == agent.MethodCBL {
		c.Method, c.Client.ID = o.method, lwatest.DeviceClientID
	}
	if o.agent != nil {
		o.agent(&c)
	}
	a, err := agent.New(c)
	must(t, err)
	h.agent, h.page = a, New(a, h.cfg, log)
	ctx, stop := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Errorf("the agent ended: %v", err)
		}
	})
	tasks.Go(func() { h.page.Run(ctx) })
	t.Cleanup(func() {
		stop()
		tasks.Wait()
		for _, v := range h.sim.Violations() {
			t.Errorf("Amazon objects: %s", v)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", h.log.String())
		}
	})
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freePort is a port of localhost that is the test's until it ends: who says
// which one it wants can listen there, and nobody gets it by chance.
func freePort(t *testing.T) string { return holdPort(t, 1) }

// closedPort is a port of localhost at which nobody listens, nor can.
func closedPort(t *testing.T) string { return holdPort(t, 0) }

// holdPort binds a port and does not listen. With SO_REUSEADDR others may
// (socket(7)), but the kernel does not choose it for a connection.
func holdPort(t *testing.T, reuse int) string {
	t.Helper()
	bind := func(a unix.Sockaddr, family int) error {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, reuse))
		if err := unix.Bind(fd, a); err != nil {
			return err
		}
		bound, err := unix.Getsockname(fd)
		if four, is := bound.(*unix.SockaddrInet4); is {
			*a.(*unix.SockaddrInet4) = *four
		}
		return err
	}
	for range 100 {
		four := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
		must(t, bind(four, unix.AF_INET))
		err := bind(&unix.SockaddrInet6{Port: four.Port, Addr: netip.IPv6Loopback().As16()}, unix.AF_INET6)
		if err == nil || isWithoutIPv6(err) {
			return strconv.Itoa(four.Port)
		}
	}
	t.Fatal("no port is free at both addresses of localhost")
	return ""
}

// await waits for a status that fits.
func (h *house) await(what string, fits func(agent.Status) bool) agent.Status {
	h.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	var last agent.Status
	h.agent.Statuses(ctx, func(st agent.Status) bool { last = st; return !fits(st) })
	if !fits(last) {
		h.t.Fatalf("%s: did not come about; the status is %+v", what, last)
	}
	return last
}

// offered waits until a way to link is offered, and the page has heard of it.
func (h *house) offered() agent.Status {
	h.t.Helper()
	st := h.await("a link page", func(st agent.Status) bool {
		return st.LinkPage != "" && (st.AuthorizeURL != "" || st.UserCode != "")
	})
	h.heard("a link is offered", func(page agent.Status) bool {
		return page.AuthorizeURL == st.AuthorizeURL && page.UserCode == st.UserCode
	})
	return st
}

// linked waits until the device is linked, and the page has heard of it.
func (h *house) linked() agent.Status {
	h.t.Helper()
	st := h.await("linked", func(st agent.Status) bool { return st.State == agent.Linked && st.Account != "" })
	h.heard("the device is linked", func(page agent.Status) bool { return page.Account == st.Account })
	return st
}

// heard waits until the page knows what the agent does.
func (h *house) heard(what string, fits func(page agent.Status) bool) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); !fits(h.page.site.currentStatus()); {
		if time.Now().After(deadline) {
			h.t.Fatalf("the page does not hear that %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// address is the link page's as a browser makes it of what is shown.
func address(st agent.Status) string { return strings.ToLower(st.LinkPage) }

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

// do asks as a browser does that follows no redirect.
func (h *house) do(method, target, form string, change ...func(*http.Request)) answer {
	h.t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(form))
	must(h.t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	dialer := &net.Dialer{}
	if h.machine > 0 && !strings.Contains(target, "[::1]") {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 1, h.machine)}
	}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	resp, err := transport.RoundTrip(r)
	must(h.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(h.t, err)
	return answer{resp.StatusCode, string(body), resp.Header}
}

func (h *house) get(target string) answer { h.t.Helper(); return h.do(http.MethodGet, target, "") }

func (h *house) paste(target, text string) answer {
	h.t.Helper()
	return h.do(http.MethodPost, target, url.Values{"address": {text}}.Encode())
}

func (h *house) want(a answer, status int, why string, texts ...string) {
	h.t.Helper()
	if a.status != status {
		h.t.Fatalf("%s: status %d, want %d\n%s", why, a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			h.t.Errorf("%s: the page does not say %q:\n%s", why, text, a.body)
		}
	}
}

// signIn is the person at Amazon; it returns where their browser is sent.
func (h *house) signIn(authorizeURL string) string {
	h.t.Helper()
	back, err := h.sim.Allow(authorizeURL)
	must(h.t, err)
	return back
}

// otherHost makes it a request to the device by another name.
func otherHost(host string) func(*http.Request) {
	return func(r *http.Request) { r.Host = host }
}
