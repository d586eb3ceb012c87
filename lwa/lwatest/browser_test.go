package lwatest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// browser is a Chromium, driven over WebDriver (https://www.w3.org/TR/webdriver2/).
type browser struct {
	t       *testing.T
	session string // its address at the driver
}

// phone starts a Chromium that looks like a phone 320 pixels wide.
func phone(t *testing.T) *browser {
	t.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromedriver is missing, and CI must not pass without it: install the Debian packages chromium and chromium-driver")
		}
		t.Skip("SKIPPED: no chromedriver; install the Debian packages chromium and chromium-driver to try the pages in a real browser")
	}
	base := startDriver(t, driver)
	options := map[string]any{
		"args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(),
		},
		"mobileEmulation": map[string]any{"deviceMetrics": map[string]any{"width": 320, "height": 640, "pixelRatio": 2.0}},
	}
	b := &browser{t: t, session: base}
	var session struct{ SessionID string }
	b.call(http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"goog:chromeOptions": options}}}, &session)
	b.session = base + "/session/" + session.SessionID
	t.Cleanup(func() { b.call(http.MethodDelete, "", nil, nil) })
	// A click does not wait for the page it leads to, so looking for things does.
	b.call(http.MethodPost, "/timeouts", map[string]any{"implicit": 20_000}, nil)
	return b
}

// startDriver runs chromedriver on a free port until the test ends, and returns
// its address.
func startDriver(t *testing.T, path string) string {
	t.Helper()
	// t.Context ends before the clean-up that lets the driver close its browser.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "--port=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	port := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if _, after, ok := strings.Cut(lines.Text(), "started successfully on port "); ok {
				port <- strings.TrimSuffix(after, ".")
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	select {
	case p := <-port:
		return "http://127.0.0.1:" + p
	case <-read:
		t.Fatal("chromedriver ended before it was ready")
	case <-time.After(30 * time.Second):
		t.Fatal("chromedriver was not ready within 30 s")
	}
	return ""
}

// call makes one WebDriver command and reads its value.
func (b *browser) call(method, path string, body, value any) {
	b.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			b.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, b.session+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := struct{ Value json.RawMessage }{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %s, %v: %.400s", method, path, resp.Status, err, answer.Value)
	}
	if value != nil {
		if err := json.Unmarshal(answer.Value, value); err != nil {
			b.t.Fatal(err)
		}
	}
}

// open goes to an address. That the page behind a redirect does not load is no
// error here: nobody listens at the return URL, as on a person's phone.
func (b *browser) open(address string) {
	b.t.Helper()
	b.call(http.MethodPost, "/url", map[string]any{"url": address}, nil)
}

func (b *browser) find(css string) string {
	b.t.Helper()
	var found map[string]string
	b.call(http.MethodPost, "/element", map[string]any{"using": "css selector", "value": css}, &found)
	for _, id := range found {
		return "/element/" + id
	}
	b.t.Fatalf("%s is not on the page", css)
	return ""
}

func (b *browser) click(css string) {
	b.t.Helper()
	b.call(http.MethodPost, b.find(css)+"/click", map[string]any{}, nil)
}

func (b *browser) text(css string) string {
	b.t.Helper()
	var text string
	b.call(http.MethodGet, b.find(css)+"/text", nil, &text)
	return text
}

// sentBack waits until the address bar shows the return URL. A click does not
// wait for a page that cannot be loaded.
func (b *browser) sentBack() *url.URL {
	b.t.Helper()
	var address string
	for range 100 {
		b.call(http.MethodGet, "/url", nil, &address)
		if u, err := url.Parse(address); err == nil && strings.HasPrefix(address, lwatest.ReturnURL+"?") {
			return u
		}
		<-time.After(100 * time.Millisecond)
	}
	b.t.Fatalf("the address bar shows %q, want the return URL %s", address, lwatest.ReturnURL)
	return nil
}

// photograph keeps a picture of the page and checks that it fits its width.
func (b *browser) photograph(name string) {
	b.t.Helper()
	var widths []float64
	b.call(http.MethodPost, "/execute/sync", map[string]any{"script": "return [document.documentElement.scrollWidth, innerWidth]", "args": []any{}}, &widths)
	if len(widths) != 2 || widths[0] > 320 || widths[1] != 320 {
		b.t.Errorf("%s: the page is %v pixels wide in the window, want no more than 320 in 320, or people must scroll sideways", name, widths)
	}
	var picture string
	b.call(http.MethodGet, "/screenshot", nil, &picture)
	png, err := base64.StdEncoding.DecodeString(picture)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func TestPersonWithARealBrowserLinksBothWays(t *testing.T) {
	t.Parallel() // it takes seconds, most of them waiting
	b := phone(t)
	w := overSocket(t, lwatest.Options{AccountName: "Ada Lovelace", AccountEmail: "ada.lovelace@example.org"})

	signIn := strings.Replace(authorizeURL(lwatest.WebClientID, "scope", "alexa:all profile", "scope_data", scopeData), "https://www.amazon.com", w.base, 1)
	b.open(signIn)
	b.photograph("sign-in")
	b.click("#allow")
	back := b.sentBack()
	if got := back.Query().Get("state"); got != "st4te with blank" {
		t.Errorf("after Allow the address bar shows the state %q, want ours", got)
	}
	w.want(w.exchange(lwatest.WebClientID, back.Query().Get("code"), "client_secret", lwatest.WebClientSecret), http.StatusOK, "")

	b.open(signIn)
	b.click("#cancel")
	if got := b.sentBack().Query().Get("error_description"); got != "Access not permitted." {
		t.Errorf("after Cancel the address bar says %q, want that access was not permitted", got)
	}

	b.open(signIn + "&redirect_uri=x")
	b.photograph("refused")
	if why := b.text("#why"); !strings.Contains(why, "Malformed request") {
		t.Errorf("the page says %q, want the reason", why)
	}

	pair := w.codePair(lwatest.DeviceClientID)
	b.open(pair.str("verification_uri"))
	b.photograph("enter-code")
	b.call(http.MethodPost, b.find("#code")+"/value", map[string]any{"text": strings.ToLower(pair.str("user_code"))}, nil)
	b.click("#continue")
	b.find("#allow")
	b.photograph("allow-device")
	b.click("#allow")
	if got := b.text("#success") + " " + b.text("#account"); got != "Success! Ada Lovelace" {
		t.Errorf("the page says %q, want success and whose account it is", got)
	}
	b.photograph("success")
	w.want(w.poll(pair), http.StatusOK, "")

	pair = w.codePair(lwatest.DeviceClientID)
	b.open(pair.str("verification_uri") + "?cbl-code=" + pair.str("user_code"))
	b.click("#cancel")
	b.find("#denied")
	b.photograph("denied")
	w.want(w.poll(pair), http.StatusBadRequest, "invalid_code_pair")
	b.open(pair.str("verification_uri") + "?cbl-code=" + pair.str("user_code"))
	b.find("#wrong")
	b.photograph("wrong-code")

	w.wantViolations("redirect_uri more than once")
}
