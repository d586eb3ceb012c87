//go:build browser

package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest/webdriver"
)

const (
	hostedState  = "0123456789abcdefABCD-_"
	hostedDevice = "192.168.1.20:9744/7K2Q"
)

// hosted is a phone in the network of a device, which has no agent but its link
// page's address, and the static page somewhere with https.
type hosted struct {
	*webdriver.Browser
	t    *testing.T
	page string // the address of the static page

	mu       sync.Mutex
	received []string // by the device, as it came
}

func newHosted(t *testing.T, opts ...webdriver.Option) *hosted {
	t.Helper()
	h := &hosted{t: t}
	page := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/link.html" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, redirectPage)
	}))
	t.Cleanup(page.Close)
	device := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.RequestURI, "/7K2Q") {
			http.NotFound(w, r)
			return
		}
		h.mu.Lock()
		h.received = append(h.received, r.RequestURI)
		h.mu.Unlock()
		if from := r.Referer(); from != "" {
			t.Errorf("the device hears that the browser comes from %s", from)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<title>device</title><h1>Link page</h1><textarea id="paste"></textarea>`)
	}))
	t.Cleanup(device.Close)
	opts = append(opts, webdriver.InsecureCertificates, webdriver.Host("192.168.1.20", strings.TrimPrefix(device.URL, "http://")))
	h.Browser = webdriver.Phone(t, opts...)
	h.page = page.URL + "/link.html"
	return h
}

// answer is the address at which Amazon's answer arrives.
func (h *hosted) answer(query string) string { return h.page + "?" + query }

// back is Amazon's answer, form-encoded, for a device with that state.
func (h *hosted) back(parameter, value, state string) string {
	return h.answer(url.Values{parameter: {value}, "state": {state}}.Encode())
}

func (h *hosted) wantReceived(when string, want ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.received, want) {
		h.t.Errorf("%s the device has received\n\t%q\nwant\n\t%q", when, h.received, want)
	}
}

// wantStays checks that the page is there to be read and copied from, and has
// no mind to go.
func (h *hosted) wantStays(when, address string) {
	h.t.Helper()
	if got := h.Address(); got != address {
		h.t.Errorf("%s the browser is at %s, want the page at %s", when, got, address)
	}
	if got := h.Text("#news"); got != "" || h.Shown("#stay") || !h.Shown("#address") || !h.Shown("#go") {
		h.t.Errorf("%s the page says %q and is shown as one that goes by itself", when, got)
	}
}

// wantCopied presses Copy and pastes into the device's page.
func (h *hosted) wantCopied(want string) {
	h.t.Helper()
	h.Click("#copy")
	h.WaitText("#copied", "Copied")
	h.Open("http://" + hostedDevice)
	h.Paste("#paste")
	if got := h.Property("#paste", "value"); got != want {
		h.t.Errorf("copied is\n\t%s\nwant the whole address\n\t%s", got, want)
	}
}

func TestRedirectPageGoesToTheDeviceByItselfOnce(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	// Not as Go would encode it: what came must arrive, byte for byte.
	query := "scope=profile%20alexa%3aall&code=ANd+NuWs/%2BRx%7cy%25z~%3D%3d&state=" + hostedState + ".192.168.1.20%3A9744/7K2Q&iss=x"
	address := h.answer(query)
	received := "/7K2Q?" + query

	h.Open(address)
	if got := h.Text("#target"); got != "http://"+hostedDevice {
		t.Errorf("the page says it goes to %q", got)
	}
	if got := h.Text("#news"); got != "It opens by itself in 3 seconds." {
		t.Errorf("before it goes the page says %q", got)
	}
	h.wantReceived("before it goes", nil...)
	h.WaitAddress("http://" + hostedDevice + "?")
	h.WaitText("h1", "Link page")
	h.wantReceived("by itself", received)

	h.Back()
	h.wantStays("after the way back", address)
	h.Reload()
	h.wantStays("after a reload", address)
	<-time.After(3500 * time.Millisecond) // that nothing happens can only be waited for
	h.wantStays("half a second later than it would go", address)
	h.wantReceived("after coming back", received)

	h.Click("#go")
	h.WaitText("h1", "Link page")
	h.wantReceived("at a press of the button", received, received)
	h.Back()
	h.wantCopied(address)

	// The same tab, another scan.
	again := h.back("error", "access_denied", hostedState+"."+hostedDevice)
	h.Open(again)
	h.WaitText("h1", "Link page")
	h.wantReceived("after another sign-in", received, received, "/7K2Q", "/7K2Q?"+again[len(h.page)+1:])
	for _, line := range h.Console() {
		if !strings.Contains(line, "favicon") {
			t.Errorf("the console says %s", line)
		}
	}
}

func TestRedirectPageStaysWhenAsked(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	address := h.back("code", "ANdNuWsRx", hostedState+"."+hostedDevice)
	for _, touch := range []string{"#stay", "#address", "#copy"} {
		h.Open(address)
		h.Click(touch)
		h.wantStays("after a click on "+touch, address)
	}
	<-time.After(3500 * time.Millisecond)
	h.wantStays("half a second later than it would go", address)
	h.wantReceived("while asked to stay", nil...)
}

// A phone outside of the device's network gets no answer, or a refusal.
func TestRedirectPageOfAnUnreachableDeviceIsToBeCopied(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := refusing.Addr().String()
	refusing.Close()
	h := newHosted(t, webdriver.Host("silent.local", silent.Addr().String()), webdriver.Host("refusing.local", nobody))

	address := h.back("code", "ANdNuWsRx+/|%=", hostedState+".refusing.local:9744/7K2Q")
	h.Open(address)
	if !h.Shown("#address") || !h.Shown("#copy") {
		t.Error("what to copy is not there from the beginning")
	}
	h.WaitAddress("http://refusing.local:9744/7K2Q?code=")
	h.Back()
	h.wantStays("back from a device that refuses", address)
	h.wantCopied(address)

	address = h.back("code", "ANdNuWsRx+/|%=", hostedState+".silent.local:9744/7K2Q")
	h.Open(address)
	h.WaitText("#news", "has not answered for 10 seconds")
	h.Screenshot("not-answered")
	webdriver.Axe(t, h.Browser)
	// As on a page that may not use the clipboard by itself.
	h.Eval("Object.defineProperty(navigator, 'clipboard', {value: undefined})", nil)
	h.wantCopied(address)
}

// One after the other: a page that has three seconds needs a browser that gets
// its share of the processor, and the tests above run at the same time.
func TestRedirectPage(t *testing.T) {
	t.Parallel()
	t.Run("names devices on local networks alone", redirectTargets)
	t.Run("shows hostile text as text", hostileAnswers)
	t.Run("is readable", readablePages)
}

// redirectTargets asks the page's own script, in a real browser.
func redirectTargets(t *testing.T) {
	h := newHosted(t)
	h.Open(h.page)
	good := []string{
		"192.168.1.20:9744/7K2Q", "192.168.0.0/A", "192.168.255.255:65535/0123456789abcdEF", "10.0.0.1:1/7K2Q", "10.255.255.255/7K2Q",
		"172.16.0.1/7K2Q", "172.31.255.255:80/7K2Q", "169.254.7.9:9744/7K2Q", "127.0.0.1:9744/7K2Q", "127.255.0.1/7K2Q",
		"localhost:9744/7K2Q", "LOCALHOST/7K2Q", "[::1]:9744/7K2Q", "[0:0:0:0:0:0:0:1]/7K2Q",
		"[fe80::1]/7K2Q", "[FE80::a:B]:9744/7K2Q", "[febf::1]/7K2Q", "[fd12:3456:789a::1]:9744/7K2Q", "[fc00::]/7K2Q",
		"device.local:9744/7K2Q", "Kitchen-Pi.LOCAL/7K2Q", "a.b-c.local/7K2Q", "0x7f.local/7K2Q",
	}
	bad := []string{
		// not local
		"8.8.8.8/7K2Q", "11.0.0.1/7K2Q", "9.255.255.255/7K2Q", "172.15.0.1/7K2Q", "172.32.0.1/7K2Q", "192.167.1.1/7K2Q", "192.169.1.1/7K2Q",
		"169.253.1.1/7K2Q", "169.255.1.1/7K2Q", "126.0.0.1/7K2Q", "128.0.0.1/7K2Q", "0.0.0.0/7K2Q", "100.64.0.1/7K2Q", "224.0.0.251/7K2Q", "255.255.255.255/7K2Q",
		"[2001:db8::1]/7K2Q", "[fec0::1]/7K2Q", "[fe7f::1]/7K2Q", "[fe8::1]/7K2Q", "[fb00::1]/7K2Q", "[fe00::1]/7K2Q", "[ff02::1]/7K2Q", "[::]/7K2Q", "[::2]/7K2Q",
		"[fd::1]/7K2Q", "[fd:1:2:3:4:5:6:7]/7K2Q", "[fc:1::]/7K2Q", "[::ffff:c0a8:114]/7K2Q", "[64:ff9b::c0a8:114]/7K2Q",
		"evil.example/7K2Q", "local/7K2Q", ".local/7K2Q", "evil.example.local.evil.example/7K2Q", "evillocal/7K2Q", "device.localx/7K2Q",
		"localhost.evil.example/7K2Q", "x.localhost/7K2Q", "192.168.1.20.evil.example/7K2Q", "10.evil.example/7K2Q",
		// an IPv4 address as only browsers and attackers write it
		"3232235796/7K2Q", "0xc0a80114/7K2Q", "0xc0.0xa8.1.20/7K2Q", "0300.0250.1.20/7K2Q", "192.168.276/7K2Q", "192.168.01.20/7K2Q", "192.168.1.020/7K2Q",
		"010.0.0.1/7K2Q", "10.1/7K2Q", "127.1/7K2Q", "192.168.1.256/7K2Q", "10.0.0.999/7K2Q", "192.168.1.20./7K2Q", "192.168.1/7K2Q", "192.168.1.1.1/7K2Q", "192.168..20/7K2Q",
		"192.168.1.2０/7K2Q", "①92.168.1.20/7K2Q", "192。168。1。20/7K2Q",
		// names with a trick
		"device.local./7K2Q", "device..local/7K2Q", "-x.local/7K2Q", "x-.local/7K2Q", "xn--dvice-8ya.local/7K2Q", "a.xn--dvice-8ya.local/7K2Q", "dévice.local/7K2Q",
		"deviсe.local/7K2Q", "device.lосal/7K2Q", "dev_ice.local/7K2Q", "dev%69ce.local/7K2Q", strings.Repeat("a", 64) + ".local/7K2Q", strings.Repeat("a.", 130) + "local/7K2Q",
		// anything else in the address
		"user@192.168.1.20/7K2Q", "user:word@192.168.1.20/7K2Q", "192.168.1.20@evil.example/7K2Q", "192.168.1.20:9744@evil.example/7K2Q", "192.168.1.20\\@evil.example/7K2Q",
		"192.168.1.20\\7K2Q", "evil.example\\.local/7K2Q", "evil.example#.local/7K2Q", "evil.example?.local/7K2Q", "evil.example/.local/7K2Q", "//evil.example/7K2Q", "/7K2Q", "/",
		"192.168.1.20/7K2Q?x=1", "192.168.1.20/7K2Q#x", "192.168.1.20/7K2Q/", "192.168.1.20/a/b", "192.168.1.20//evil", "192.168.1.20/..", "192.168.1.20/%37", "192.168.1.20/a-b",
		"192.168.1.20/", "192.168.1.20", "192.168.1.20:9744", "192.168.1.20?7K2Q", "192.168.1.20/0123456789abcdefg",
		"192.168.1.20:/7K2Q", "192.168.1.20:0/7K2Q", "192.168.1.20:080/7K2Q", "192.168.1.20:65536/7K2Q", "192.168.1.20:99999/7K2Q", "192.168.1.20:974400/7K2Q", "192.168.1.20:x/7K2Q",
		" 192.168.1.20/7K2Q", "192.168.1.20/7K2Q ", "192.168.1.20/7K2Q\n", "\t192.168.1.20/7K2Q", "192.168.1.20\n/7K2Q", "evil.example\n192.168.1.20/7K2Q", "192.168.1.20/7K2Q\x00",
		"[fe80::1%25eth0]/7K2Q", "[fe80::1%eth0]/7K2Q", "[fe80::1/7K2Q", "fe80::1/7K2Q", "[fe80:::1]/7K2Q", "[fe80::1::2]/7K2Q", "[fe80]/7K2Q", "[fd00::10.0.0.1]/7K2Q", "[]/7K2Q", "[fe80::1].local/7K2Q",
		"http://192.168.1.20/7K2Q", "HTTPS://192.168.1.20/7K2Q", "https:/192.168.1.20/7K2Q", "https:192.168.1.20/7K2Q", "https:///192.168.1.20/7K2Q", "https://https://192.168.1.20/7K2Q",
		"https://evil.example/7K2Q", "javascript:alert(1)", "javascript://device.local/7K2Q", "javascript:alert(1)//.local/7K2Q", "data:text/html,x", "file:///7K2Q", "", ".", "<b>.local/7K2Q",
	}
	want, states := map[string]string{}, []string{}
	add := func(state, address string) {
		states = append(states, state)
		want[state] = address
	}
	for _, target := range good {
		add(hostedState+"."+target, "http://"+target)
		add(hostedState+".https://"+target, "https://"+target)
	}
	for _, target := range bad {
		add(hostedState+"."+target, "nowhere")
	}
	add("short.192.168.1.20/7K2Q", "nowhere")
	add(".192.168.1.20/7K2Q", "nowhere")
	add("0123456789abcdefABC+/=.192.168.1.20/7K2Q", "nowhere")
	add(hostedState, "none")
	add("", "none")
	add("https://evil", "none")
	var got []string
	h.Eval("return arguments[0].map(s => { const a = deviceAddress(s); return a === null ? 'none' : a === false ? 'nowhere' : a })", &got, states)
	if len(got) != len(states) {
		t.Fatalf("%d answers for %d states", len(got), len(states))
	}
	for i, state := range states {
		if got[i] != want[state] {
			t.Errorf("the state %q leads to %s, want %s", state, got[i], want[state])
		}
	}
	// What it takes is what the browser goes to.
	var hosts []string
	h.Eval("return arguments[0].map(a => new URL(a).host)", &hosts, []string{"http://0x7f.local/7K2Q", "http://[FE80::a:B]:9744/7K2Q"})
	if !slices.Equal(hosts, []string{"0x7f.local", "[fe80::a:b]:9744"}) {
		t.Errorf("the browser goes to %q", hosts)
	}
}

func hostileAnswers(t *testing.T) {
	h := newHosted(t)
	markup := `"><img src=x onerror="window.harm=1"><script>window.harm=1</script><a href="javascript:window.harm=1">x</a>`
	long := strings.Repeat("W", 20_000)
	for _, query := range []url.Values{
		{"code": {markup}, "state": {hostedState + "." + markup}},
		{"code": {"javascript:window.harm=1"}, "state": {"javascript:window.harm=1"}},
		{"code": {"x"}, "state": {hostedState + ".javascript://192.168.1.20/%0awindow.harm=1"}},
		{"code": {"x"}, "state": {hostedState + ".evil.example/7K2Q"}},
		{"code": {"x"}, "state": {hostedState + "." + hostedDevice, hostedState + "." + hostedDevice}},
		{"error": {markup}, "error_description": {markup}, "state": {markup}},
		{"error": {"server_error"}, "error_description": {long}, "state": {long}},
		{"code": {long}, "state": {long + "." + long}},
	} {
		address := h.answer(query.Encode())
		what := address[len(h.page):min(len(address), len(h.page)+100)]
		h.Open(address + "#x")
		if got := h.Property("#address", "value"); got != h.Address()[:len(h.Address())-2] {
			t.Errorf("%s: to copy is %.200s", what, got)
		}
		if h.Shown("#going") || h.Text("#target") != "" {
			t.Errorf("%s: the page wants to go to %q", what, h.Text("#target"))
		}
		if e := query.Get("error"); e != "" {
			if got, want := h.Text("#cause"), e+": "+query.Get("error_description"); got != want {
				t.Errorf("%s: the page says %.200q, want %.200q", what, got, want)
			}
		}
		var harm, elements int
		h.Eval("return window.harm || 0", &harm)
		h.Eval("return document.querySelectorAll('img, a, script, iframe, form').length", &elements)
		if harm != 0 || elements != 1 {
			t.Errorf("%s: harm %d, and %d elements where the page has its script alone", what, harm, elements)
		}
		if strings.Contains(query.Get("state"), ".") || len(query["state"]) > 1 {
			if got := h.Text("#wifi"); !strings.Contains(got, "names no device on a local network") {
				t.Errorf("%s: the page says %q", what, got)
			}
		}
	}
	h.Screenshot("long")
	h.wantReceived("after all of these", nil...)
	for _, line := range h.Console() {
		if strings.Contains(line, "Content Security Policy") {
			t.Errorf("it was left to the policy to stop something: %s", line)
		}
	}
}

func readablePages(t *testing.T) {
	h := newHosted(t)
	// Long enough to look at it.
	h.DevTools("Page.addScriptToEvaluateOnNewDocument", map[string]any{
		"source": "const real = setTimeout; window.setTimeout = (f, ms) => ms === 3000 ? 0 : real(f, ms)",
	}, nil)
	device := hostedState + "." + hostedDevice
	look := func(name string) {
		t.Helper()
		for _, dark := range []bool{false, true} {
			h.Dark(dark)
			h.Screenshot(fmt.Sprintf("%s-%s", name, map[bool]string{true: "dark", false: "light"}[dark]))
			webdriver.Axe(t, h.Browser)
		}
	}
	code := strings.Repeat("ANdNuWsRxbYtFNgMXCxi", 3)
	for _, c := range []struct{ name, address, title, says string }{
		{"going", h.back("code", code, device), "Almost linked", ""},
		{"bring", h.back("code", code, hostedState), "Almost linked", ""},
		{"no-device", h.back("code", code, hostedState+".evil.example/7K2Q"), "Link your device", ""},
		{"cancelled", h.answer("error=access_denied&error_description=Access+not+permitted.&state=" + device), "The device is not linked", "Cancel was pressed at the sign-in."},
		{"failed", h.answer("error=server_error&error_description=An+unexpected+error+occurred.&state=" + device), "The device is not linked", "The sign-in ended with an error."},
		{"purpose", h.page, "Link your device", "scan the code that your device shows"},
	} {
		h.Open(c.address)
		if title, says := h.Text("h1"), h.Text("#said"); title != c.title || !strings.Contains(says, c.says) {
			t.Errorf("%s: the page says %q and %q, want %q and %q", c.name, title, says, c.title, c.says)
		}
		look(c.name)
		if c.name == "failed" && h.Text("#cause") != "server_error: An unexpected error occurred." {
			t.Errorf("the reason is %q", h.Text("#cause"))
		}
		if c.name == "going" {
			h.Click("#copy")
			h.WaitText("#copied", "Copied")
			h.Screenshot("copied")
		}
	}

	h.DevTools("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	h.Open(h.back("code", code, device))
	if says := h.Text("main"); !strings.Contains(says, "from the browser’s address bar") || h.Shown("#copy") {
		t.Errorf("without script the page says %q", says)
	}
	h.Screenshot("no-script")
}
