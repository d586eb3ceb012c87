//go:build browser

package linkpage

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/webdriver"
)

func TestMain(m *testing.M) {
	// Browsers wait more than they work, but other packages are tested meanwhile.
	// -parallel still wins.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// phone opens the link page as somebody does who has scanned its address.
func phone(t *testing.T, h *house, opts ...webdriver.Option) *webdriver.Browser {
	t.Helper()
	b := webdriver.Phone(t, opts...)
	b.Open(h.offered().LinkPage)
	return b
}

// signInAt presses the page's button, in the first tab, and one of Amazon's, in
// the tab that opens. It ends at that tab's address, which begins with back.
func signInAt(b *webdriver.Browser, tab int, press, back string) string {
	b.Tab(0)
	b.Click("a.button")
	b.Tab(tab)
	b.Click(press)
	return b.WaitAddress(back)
}

// paste puts an address in place of what stands in the page's field and sends it.
func paste(b *webdriver.Browser, text string) {
	const backspace, enter = "\ue003", "\ue007" // WebDriver, section 17.4.2
	b.Tab(0)
	b.Type("#address", strings.Repeat(backspace, len(b.Property("#address", "value")))+text)
	b.Type("form button", enter) // without a script no driver can click
}

// wantQuietConsole fails the test for what the browser complains of, but for
// pages that are meant to fail. A style or script that the policy stopped is
// said there.
func wantQuietConsole(t *testing.T, b *webdriver.Browser) {
	t.Helper()
	for _, line := range b.Console() {
		if !strings.Contains(line, "Failed to load resource: the server responded with a status of 4") {
			t.Errorf("the console says %s", line)
		}
	}
}

// gate is a network that holds what is sent to Amazon up until it is opened.
type gate struct {
	http.RoundTripper
	opened chan struct{}
}

func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-g.opened:
		return g.RoundTripper.RoundTrip(r)
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// held makes the device's network a gate. The function opens it.
func held(o *options) (release func()) {
	opened := make(chan struct{})
	o.agent = func(cfg *agent.Config) { cfg.Client.Transport = gate{cfg.Client.Transport, opened} }
	return func() { close(opened) }
}

func TestPersonSignsInAgainUntilItWorks(t *testing.T) {
	t.Parallel()
	redirect := "https://localhost:" + closedPort(t) + "/authresponse" // as on a phone
	h := open(t, options{browser: true, redirect: redirect})
	b := phone(t, h)
	paste(b, signInAt(b, 1, "#cancel", redirect+"?"))
	b.WaitText(".problem", "The person who signed in pressed Cancel. Sign in again.")

	paste(b, "I pressed Allow!")
	b.WaitText(".problem", "more than one word")
	b.Wait("a page that has asked twice whether there is news", func() bool {
		var asked int
		b.Eval("return performance.getEntriesByType('resource').filter(e => e.name.endsWith('/state')).length", &asked)
		return asked >= 2
	})
	if got := b.Text(".problem"); !strings.Contains(got, "more than one word") {
		t.Errorf("after a moment the reason is %q", got)
	}
	if got := b.Property("#address", "value"); got != "I pressed Allow!" {
		t.Errorf("to be corrected is %q, want what was typed", got)
	}

	back := mustParse(t, signInAt(b, 2, "#allow", redirect+"?"))
	query := back.Query()
	query.Set("code", "ANabcdefghijklmnopqr") // as if it were too late
	back.RawQuery = query.Encode()
	paste(b, back.String())
	b.WaitText("h1", "This page is out of date")
	b.WaitText(".problem", "Amazon did not accept the code")

	b.Open(h.offered().LinkPage)
	b.WaitText(".problem", "Amazon did not accept the code")
	paste(b, signInAt(b, 3, "#allow", redirect+"?"))
	b.WaitText("h1", "This device is linked")
	b.WaitText("main", "Ada Lovelace")
	b.Back()
	b.WaitText("h1", "This device is linked")
	b.Reload()
	b.WaitText("h1", "This device is linked")
	if n := h.sim.Count(lwatest.Exchange); n != 2 {
		t.Errorf("%d codes were sent, want 2", n)
	}
	wantQuietConsole(t, b)
}

func TestPageOnTheWebHandsOverToTheLinkPage(t *testing.T) {
	t.Parallel()
	html, err := os.ReadFile("../../cmd/internal/cli/redirect-page.html") // what lwa-agent redirect-page prints
	must(t, err)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(html)
	}))
	t.Cleanup(web.Close)
	redirect := "https://radio.example/link"
	h := open(t, options{browser: true, redirect: redirect})
	b := phone(t, h, webdriver.InsecureCertificates, webdriver.Host("radio.example", strings.TrimPrefix(web.URL, "https://")))
	signInAt(b, 1, "#allow", redirect+"?")
	if got, want := b.Text("#target"), address(h.offered()); !strings.EqualFold(got, want) {
		t.Errorf("the page on the web says that it goes to %q, want %q", got, want)
	}
	b.WaitText("h1", "This device is linked")
	if got := b.Address(); strings.Contains(got, "code=") {
		t.Errorf("the code stays in the address bar: %s", got)
	}
	b.Tab(0)
	b.WaitText("h1", "This device is linked")
	wantQuietConsole(t, b)
}

func TestLaptopWarnsOfTheDevicesCertificateAndNeedsNothingPasted(t *testing.T) {
	t.Parallel()
	redirect := "https://localhost:" + freePort(t) + "/authresponse"
	h := open(t, options{browser: true, redirect: redirect, change: func(cfg *Config) { cfg.Listen = "" }})
	st := h.await("a listener", func(st agent.Status) bool { return st.AuthorizeURL != "" && st.Loopback != nil })

	b := webdriver.Laptop(t)
	b.Open(st.AuthorizeURL)
	b.Click("#allow")
	b.WaitAddress(redirect + "?")
	b.WaitText("body", "ERR_CERT_AUTHORITY_INVALID")
	if n := h.sim.Count(lwatest.Exchange); n != 0 {
		t.Errorf("%d codes were sent to Amazon behind the browser's warning", n)
	}
	b.DevTools("Security.setIgnoreCertificateErrors", map[string]any{"ignore": true}, nil) // the person goes on
	b.Reload()
	b.WaitText("h1", "This device is linked")
	b.WaitText("main", "Ada Lovelace")
	if got := b.Address(); !strings.HasPrefix(got, strings.TrimSuffix(redirect, "authresponse")) || strings.Contains(got, "code=") {
		t.Errorf("the browser is at %s, want the device's listener, and no code", got)
	}
}

func TestCodePairIsLinkedByThePagesButton(t *testing.T) {
	t.Parallel()
	h := open(t, options{browser: true, method: agent.MethodCBL})
	b := phone(t, h)
	code := b.Text(".code")
	b.Click("a.button")
	b.Tab(1)
	if got := b.Text("main"); !strings.Contains(got, "shows the code "+code) {
		t.Errorf("Amazon asks %q, want whether the device shows %s", got, code)
	}
	b.Click("#allow")
	b.Find("#success")
	b.Tab(0)
	b.WaitText("h1", "This device is linked")
	wantQuietConsole(t, b)
}

func TestSecondPhoneLinksWhileTheFirstSignsIn(t *testing.T) {
	t.Parallel()
	redirect := "https://localhost:" + closedPort(t) + "/authresponse"
	o := options{browser: true, redirect: redirect}
	release := held(&o)
	h := open(t, o)
	b := phone(t, h)
	b.Click("a.button")
	b.Tab(1)
	b.Find("#allow")

	st := h.offered()
	h.want(h.paste(address(st), h.signIn(st.AuthorizeURL)), 303, "the second phone")
	b.Tab(0)
	b.WaitText("h1", "Linking this device")
	b.Tab(1)
	b.Click("#allow")
	b.WaitAddress(redirect + "?")
	b.Tab(0)
	release()
	b.WaitText("h1", "This device is linked")
	b.WaitText("main", "Not yours?")
	wantQuietConsole(t, b)
}

func TestPageNeedsNoScript(t *testing.T) {
	t.Parallel()
	redirect := "https://localhost:" + closedPort(t) + "/authresponse"
	o := options{browser: true, redirect: redirect}
	release := held(&o)
	h := open(t, o)
	b := webdriver.Phone(t)
	b.DevTools("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	st := h.offered()
	b.Open(st.LinkPage)
	paste(b, h.signIn(st.AuthorizeURL))
	b.WaitText("h1", "Linking this device")
	release()
	b.WaitText("h1", "This device is linked")
}

// The pages are looked at in the test's artifacts: go test -artifacts.
func TestPagesAreReadable(t *testing.T) {
	t.Parallel()
	t.Run("phone", func(t *testing.T) { t.Parallel(); readable(t, true) })
	t.Run("laptop", func(t *testing.T) { t.Parallel(); readable(t, false) })
}

func readable(t *testing.T, isPhone bool) {
	s := newSite(open(t, options{change: func(cfg *Config) { cfg.Listen = "" }}).agent)
	server := httptest.NewServer(s.handler(entrance{tries: newTries(), mayBeCalled: (&lanDoor{}).mayBeCalled}))
	t.Cleanup(server.Close)
	start := webdriver.Laptop
	if isPhone {
		start = webdriver.Phone
	}
	b := start(t, webdriver.Host("evil.example", strings.TrimPrefix(server.URL, "http://")))
	look := func(name, title string) {
		t.Helper()
		b.WaitText("h1", title)
		var tab string
		if b.Eval("return document.title", &tab); tab != b.Text("h1") {
			t.Errorf("%s: the tab is called %q, want what the page says", name, tab)
		}
		for _, dark := range []bool{false, true} {
			b.Dark(dark)
			b.Screenshot(fmt.Sprintf("%s-%s", name, map[bool]string{true: "dark", false: "light"}[dark]))
			if !dark || isPhone { // colours are the same at any size
				webdriver.Axe(t, b)
			}
		}
	}
	at := func(path string) { b.Open(server.URL + path) }
	shown := func(st agent.Status) {
		st.SerialNumber = "10000000a3f1c9d2"
		s.show(st)
		at("/" + s.currentToken())
	}

	const link = "Link this device to Amazon"
	offer := agent.Status{
		State: agent.Unlinked, AuthorizeURL: "https://www.amazon.com/ap/oa?state=0123456789abcdefABCD-_", RedirectURI: lwatest.ReturnURL,
	}
	shown(offer)
	look("offer", link)
	paste(b, "I pressed Allow!")
	b.Find(".problem")
	look("nonsense", link)
	web := offer
	web.AuthorizeURL, web.ComesBack = "https://www.amazon.com/ap/oa?state=-_0123456789abcdefABCD", true
	shown(web)
	look("offer-that-comes-back", link)
	b.Click("summary")
	look("offer-that-comes-back-not", link)
	pair := agent.Status{State: agent.Unlinked, UserCode: "BEYHYS", VerificationURI: "https://amazon.com/us/code", PollSeconds: 30}
	shown(pair)
	look("pair", link)
	relink := pair
	relink.State = agent.Linked
	relink.LastError = &agent.Problem{Code: "network", Message: "Amazon cannot be reached: lookup api.amazon.com: no such host", Hint: "check the network of this device; it is tried again by itself"}
	shown(relink)
	look("relink-with-problem", link)
	shown(agent.Status{State: agent.Unlinked})
	look("preparing", link)
	shown(agent.Status{State: agent.Linking, CodePending: true})
	look("pending", "Linking this device")
	shown(agent.Status{State: agent.Linked, Account: "Ada Lovelace"})
	look("linked", "This device is linked")

	at("/" + s.old)
	look("out-of-date", "This page is out of date")
	b.Open("http://evil.example/" + s.currentToken())
	look("foreign-name", "This page is not reached by that name")
	at("/?code=ANabcdefghijklmnopqr&state=AAAAAAAAAAAAAAAAAAAAAA")
	look("foreign-state", "This did not link the device")
	at("/2222")
	look("wrong-address", "There is nothing at this address")
	s.show(offer) // whose token this browser has not shown
	for range triesOfOne {
		at("/2222")
	}
	look("too-many", "Too many wrong addresses")
	wantQuietConsole(t, b)
}
