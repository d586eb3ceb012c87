// Package webdriver drives a real Chromium in tests, over WebDriver
// (https://www.w3.org/TR/webdriver2/). What a page does for a person is judged
// by what the browser shows, not by its source.
//
// It reaches loopback alone: every other host is unknown to it, but for those
// given by Host. Whatever fails in it fails the test.
package webdriver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// patience is how long something on a page is waited for.
const patience = 20 * time.Second

// An Option changes the browser that Phone or Laptop starts.
type Option func(*options)

type options struct {
	dark, insecure bool
	rules          []string // of Chromium's --host-resolver-rules, the first that fits wins
}

// Dark has the person prefer dark pages. Without it they prefer light ones.
func Dark(o *options) { o.dark = true }

// InsecureCertificates has the browser take any certificate, as a person does
// who was told that the warning is expected.
func InsecureCertificates(o *options) { o.insecure = true }

// Host has the browser find name, which may be an IP address, at address, which
// may have a port.
func Host(name, address string) Option {
	return func(o *options) { o.rules = append(o.rules, "MAP "+name+" "+address) }
}

// Phone starts a Chromium that looks like a phone 320 pixels wide: the narrowest
// screen that a page has to be readable on (WCAG 2.2, 1.4.10).
func Phone(t *testing.T, opts ...Option) *Browser {
	t.Helper()
	return start(t, 320, map[string]any{
		"mobileEmulation": map[string]any{"deviceMetrics": map[string]any{"width": 320, "height": 640, "pixelRatio": 2.0}},
	}, opts)
}

// Laptop starts a Chromium with a window of 1280 by 800 pixels.
func Laptop(t *testing.T, opts ...Option) *Browser {
	t.Helper()
	return start(t, 1280, map[string]any{}, opts)
}

func start(t *testing.T, width int, chrome map[string]any, opts []Option) *Browser {
	t.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		missing(t, "no chromedriver; install the Debian packages chromium and chromium-driver to try the pages in a real browser")
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	rules := append(o.rules, "MAP * ~NOTFOUND", "EXCLUDE localhost", "EXCLUDE 127.0.0.1", "EXCLUDE [::1]")
	chrome["args"] = []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--no-proxy-server",
		"--window-size=1280,800", "--host-resolver-rules=" + strings.Join(rules, ", "), "--user-data-dir=" + t.TempDir(),
	}
	b := &Browser{t: t, session: startDriver(t, driver), width: width, dark: o.dark}
	capabilities := map[string]any{
		"goog:chromeOptions": chrome, "acceptInsecureCerts": o.insecure, "goog:loggingPrefs": map[string]any{"browser": "ALL"},
	}
	var session struct{ SessionID string }
	b.must(http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": capabilities}}, &session)
	b.session += "/session/" + session.SessionID
	t.Cleanup(func() { b.must(http.MethodDelete, "", nil, nil) })
	// A click does not wait for the page it leads to, so looking for things does.
	b.must(http.MethodPost, "/timeouts", map[string]any{"implicit": patience.Milliseconds()}, nil)
	b.Dark(o.dark)
	return b
}

// missing skips the test for want of a tool, but where CI=true must not pass
// without it.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("CI must not pass with this: " + what)
	}
	t.Skip("SKIPPED: " + what)
}

// startDriver runs chromedriver on a free port until the test ends, and returns
// its address. It tries again where the driver ends at once: with --port=0 it
// takes a free port of IPv4, and gives up when somebody has the same one of IPv6.
func startDriver(t *testing.T, path string) string {
	t.Helper()
	var said string
	for range 5 {
		var address string
		if address, said = tryDriver(t, path); address != "" {
			return address
		}
	}
	t.Fatal("chromedriver was never ready; the last time it said:\n" + said)
	return ""
}

// tryDriver starts chromedriver once. Without an address it returns what the
// driver said instead.
func tryDriver(t *testing.T, path string) (address, said string) {
	t.Helper()
	// t.Context ends before the clean-up that lets the driver close its browser.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "--port=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port := make(chan string, 1)
	ended := make(chan string, 1)
	go func() {
		var all strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
			if _, after, ok := strings.Cut(lines.Text(), "started successfully on port "); ok {
				port <- strings.TrimSuffix(after, ".")
			}
		}
		ended <- all.String()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range ended { // the pipe is read to its end before Wait closes it
		}
		_ = cmd.Wait()
	})
	select {
	case p := <-port:
		return "http://127.0.0.1:" + p, ""
	case said := <-ended:
		return "", said
	case <-time.After(30 * time.Second):
		t.Fatal("chromedriver was not ready within 30 s")
	}
	return "", ""
}

// commandError is a command that the driver refused. Its word is one of
// WebDriver's section 6.6.
type commandError struct{ word, message string }

func (e *commandError) Error() string { return e.word + ": " + e.message }

// call makes one command and reads its value.
func (b *Browser) call(method, path string, body, value any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.t.Context()), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, b.session+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct{ Value json.RawMessage }{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var refused struct{ Error, Message string }
		if err := json.Unmarshal(answer.Value, &refused); err != nil {
			return err
		}
		message, _, _ := strings.Cut(refused.Message, "\n") // then its stack
		return &commandError{refused.Error, message}
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, value)
}

func (b *Browser) must(method, path string, body, value any) {
	b.t.Helper()
	if err := b.call(method, path, body, value); err != nil {
		b.t.Fatal(fmt.Errorf("%s %s: %w", method, path, err))
	}
}
