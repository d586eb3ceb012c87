//go:build browser

package cli

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/displaytest"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/webdriver"

	"golang.org/x/sys/unix"
)

// boundPort is a port of localhost that is the test's, although nobody listens
// there. Nor can anybody, but with reuse: then whoever asks for it by number.
func boundPort(t *testing.T, reuse int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, reuse); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return bound.(*unix.SockaddrInet4).Port
}

// scanned is what a phone's camera reads from a display that shows text as a
// QR code.
func scanned(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.ArtifactDir(), "display.png")
	d, err := display.OpenPNG(path, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	shows, err := d.Draw(display.Screen{Kind: display.Offer, Payloads: []display.Payload{{Name: "link page", Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(shows, "QR of the link page, version 2-") {
		t.Errorf("the display shows %s, want a code of 25 modules", shows)
	}
	return displaytest.Zbarimg(t, path)
}

// The whole way of a person with a phone: from what is on the display to a
// device that is linked.
func TestPhoneScansTheDisplayAndLinksTheDevice(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "lwa") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// Nobody listens there, as on every phone.
	redirect := fmt.Sprintf("https://localhost:%d/authresponse", boundPort(t, 0))
	sim := lwatest.New(lwatest.Options{Clients: []lwatest.Client{
		{ID: lwatest.MobileClientID, Kind: lwatest.Mobile, ReturnURLs: []string{redirect}, Name: "Kitchen radio"},
	}})
	amazon := httptest.NewServer(sim)
	t.Cleanup(amazon.Close)

	config := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf(`client_id = %q
method = "code"
redirect_uri = %q
state_dir = %q
runtime_dir = %q

[inbox]
paths = [%q]

[link_page]
listen = %q

[endpoints]
authorize = %q
token = %q
`, lwatest.MobileClientID, redirect, filepath.Join(dir, "state"), filepath.Join(dir, "run"), filepath.Join(dir, "code"),
		fmt.Sprintf("127.0.0.1:%d", boundPort(t, 1)), amazon.URL+"/ap/oa", amazon.URL+"/auth/o2/token")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runDevice(t, config)
	t.Cleanup(func() {
		if v := sim.Violations(); len(v) > 0 {
			t.Errorf("Amazon would not accept what it was sent: %q", v)
		}
	})

	st := followUntil(t, config, func(st agent.Status) bool { return st.LinkPage != "" && st.AuthorizeURL != "" })
	b := webdriver.Phone(t)
	b.Open(scanned(t, st.LinkPage))
	b.Click("a.button")
	b.Tab(1)
	if got := b.Text("h1"); !strings.HasPrefix(got, "Kitchen radio asks") {
		t.Errorf("behind the button the page says %q, want Amazon's question", got)
	}
	b.Click("#allow")
	copied := b.WaitAddress(redirect + "?") // an error page: the person copies what is in the address bar
	b.Screenshot("error-page")
	b.Tab(0)
	b.Type("#address", copied)
	b.Click("form button")
	b.WaitText("h1", "This device is linked")
	b.Screenshot("linked")
	followUntil(t, config, func(st agent.Status) bool { return st.State == agent.Linked })
}

// runDevice is lwa-agent run until the test ends.
func runDevice(t *testing.T, config string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), "/proc/self/exe", "--config", config, "run")
	run.Args[0] = "lwa-agent"
	run.Env = []string{"GORACE=atexit_sleep_ms=0"}
	var log lockedBuffer
	run.Stderr = &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Wait() // after the end of t.Context
		if t.Failed() {
			t.Logf("the log:\n%s", log.String())
		}
	})
}

// followUntil waits for a status of the agent with that configuration.
func followUntil(t *testing.T, config string, fits func(agent.Status) bool) agent.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandPatience)
	defer cancel()
	last := "nothing"
	updates := (&app{configPath: config}).socket().Follow(ctx, reconnectEvery)
	for {
		u, err := next(ctx, updates)
		switch {
		case err != nil:
			t.Fatalf("the status that is waited for does not come; the last was %s", last)
		case u.Err != nil:
			last = u.Err.Error()
		case fits(u.Status):
			return u.Status
		default:
			last = string(u.Line)
		}
	}
}
