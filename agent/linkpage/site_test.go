package linkpage

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/lwa/lwatest"
)

func TestAddressPastedIntoThePageLinksTheDevice(t *testing.T) {
	h := open(t, options{})
	st := h.offered()
	if !strings.HasPrefix(st.LinkPage, "HTTP://127.0.0.1:") || len(st.LinkPage) > 33 || strings.ToUpper(st.LinkPage) != st.LinkPage {
		t.Errorf("the address is %q: only capitals, and few of them, fit a small QR code", st.LinkPage)
	}
	page := address(st)
	a := h.get(page)
	h.want(a, 200, "the page", st.SerialNumber, deviceName(), `href="`+html.EscapeString(st.AuthorizeURL)+`"`, "error page", "<svg", "Paste the address here")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'",
	} {
		if got := a.header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	before := h.get(page + "/state").body
	a = h.paste(page, "a letter, <b>perhaps</b>")
	h.want(a, 400, "nonsense", `role="alert"`, "more than one word", `a letter, &lt;b&gt;perhaps&lt;/b&gt;</textarea>`, `data-state="`+before+`"`)
	a = h.paste(page, "https://localhost/x?code=ANabcdefghijklmnopqr&state=AAAAAAAAAAAAAAAAAAAAAA")
	h.want(a, 400, "another device's", "another device. Sign in again.", `autocapitalize="off"></textarea>`)
	a = h.paste(page, h.signIn(st.AuthorizeURL))
	h.want(a, 303, "a good address")
	if back := a.header.Get("Location"); !strings.EqualFold(back, mustParse(t, page).Path) {
		t.Errorf("sent on to %q, want the page again: a reload must not hand the code in again", back)
	}
	h.linked()
	h.want(h.get(page), 200, "linked", "This device is linked", "Ada Lovelace", "lwa-agent unlink")
	if h.get(page+"/state").body == before {
		t.Error("the state is the same as before: an open page would never turn to linked by itself")
	}
	h.want(h.paste(page, "https://localhost/x?code=ANabcdefghijklmnopqr&state=AAAAAAAAAAAAAAAAAAAAAA"), 303, "the back button, and the form again")
	if codes := h.sim.Count(lwatest.Exchange); codes != 1 {
		t.Errorf("%d codes were sent, want 1", codes)
	}
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	return u
}

func TestRedirectThatArrivesOnLoopbackLinksTheDevice(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		redirect := scheme + "://localhost:" + freePort(t) + "/authresponse"
		h := open(t, options{redirect: redirect, change: func(cfg *Config) { cfg.Listen = "" }})
		st := h.await("a listener", func(st agent.Status) bool { return st.AuthorizeURL != "" && st.Loopback != nil })
		if st.LinkPage != "" || st.Loopback.Error != "" || (st.Loopback.Fingerprint != "") != (scheme == "https") {
			t.Errorf("link page %q, loopback %+v; want the listener alone, with a fingerprint where there is TLS", st.LinkPage, st.Loopback)
		}
		for _, host := range []string{"127.0.0.1", "[::1]"} {
			a := h.get(strings.Replace(redirect, "localhost", host, 1))
			h.want(a, 404, "the redirect address without a code", "display shows")
		}
		a := h.get(h.signIn(st.AuthorizeURL))
		h.want(a, 303, "the redirect")
		if at := a.header.Get("Location"); strings.Contains(at, "code") {
			t.Errorf("sent on to %q: the code stays in the history of the browser", at)
		}
		h.linked()
		h.want(h.get(strings.Replace(redirect, "/authresponse", a.header.Get("Location"), 1)), 200, "after it", "Ada Lovelace")
	}
}

// The state of the second address is another device's, or nobody's.
func TestStrangersCannotHandInACode(t *testing.T) {
	redirect := "http://localhost:" + freePort(t) + "/authresponse"
	h := open(t, options{redirect: redirect})
	h.offered()
	st := h.await("a listener for the redirect, too", func(st agent.Status) bool { return st.AuthorizeURL != "" && st.Loopback != nil })
	page := address(st)
	root := strings.TrimSuffix(page, mustParse(t, page).Path)
	const code = "code=ANabcdefghijklmnopqr"
	for why, target := range map[string]string{
		"a foreign state at the redirect":   redirect + "?" + code + "&state=AAAAAAAAAAAAAAAAAAAAAA",
		"no state at the redirect":          redirect + "?" + code,
		"no state at the page":              page + "?" + code,
		"a foreign state at the page":       page + "?" + code + "&state=AAAAAAAAAAAAAAAAAAAAAA.evil.example",
		"no state elsewhere":                root + "/?" + code,
		"an error with a foreign state":     redirect + "?error=access_denied&state=AAAAAAAAAAAAAAAAAAAAAA",
		"a whole address within an address": root + "/?code=" + url.QueryEscape("http://x/?"+code+"&state=AAAAAAAAAAAAAAAAAAAAAA"),
	} {
		a := h.get(target)
		h.machine++ // it is not the limit that is tried here
		if a.status != 400 || strings.Contains(target, page) != strings.Contains(a.body, st.SerialNumber) {
			t.Errorf("%s: %d %s; want 400, and of the device only what its display shows", why, a.status, a.body)
		}
	}
	h.want(h.paste(root+"/22222", "ANabcdefghijklmnopqr"), 404, "a code pasted at a wrong address")
	if n := h.sim.Count(lwatest.Exchange); n != 0 {
		t.Errorf("%d codes of strangers were sent to Amazon", n)
	}
}

func TestPageOnTheWebSendsTheBrowserHere(t *testing.T) {
	h := open(t, options{redirect: "https://radio.example/link/"})
	st := h.offered()
	state := mustParse(t, st.AuthorizeURL).Query().Get("state")
	random, target, _ := strings.Cut(state, ".")
	if want := strings.TrimPrefix(address(st), "http://"); len(random) != 22 || target != want {
		t.Fatalf("the state is %q, want 22 random characters, a dot and %s", state, want)
	}
	if st.Loopback != nil {
		t.Errorf("loopback %+v: the redirect does not come here", st.Loopback)
	}
	page := "http://" + target
	h.want(h.get(page), 200, "the page", "brought back here", "not brought back", "Paste the address here")

	back := mustParse(t, h.signIn(strings.Replace(st.AuthorizeURL, url.QueryEscape(target), "192.168.9.9%3A9744%2F2222", 1)))
	a := h.get("http://" + mustParse(t, page).Host + "/2222?" + back.RawQuery) // the page was elsewhere then
	h.want(a, 303, "the code with a state of ours")
	if got := a.header.Get("Location"); !strings.EqualFold(got, mustParse(t, page).Path) {
		t.Errorf("sent on to %q, want %s", got, page)
	}
	h.linked()
	h.want(h.get(page+"?"+back.RawQuery), 303, "the back button")
	a = h.get("http://" + mustParse(t, page).Host + "/2222?" + back.RawQuery)
	h.want(a, 303, "the same by an old address: the state shows that they saw the display")
	a = h.get("http://" + mustParse(t, page).Host + "/?code=x&state=y")
	h.want(a, 400, "a stranger in the minute after linking", "did not link the device")
	if strings.Contains(a.body, "Ada") || strings.Contains(a.body, "linked already") {
		t.Errorf("a stranger is told whose account it is:\n%s", a.body)
	}
}

// It asks for its state by itself, so this must not count as trying addresses.
func TestPageOfTheAttemptBeforeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	first := h.offered()
	old := address(first)
	wrong := mustParse(t, h.signIn(first.AuthorizeURL))
	q := wrong.Query()
	q.Set("code", "ANabcdefghijklmnopqr")
	wrong.RawQuery = q.Encode()
	h.want(h.paste(old, wrong.String()), 303, "a code that Amazon will refuse")
	second := h.await("another attempt", func(st agent.Status) bool { return st.LinkPage != "" && st.LinkPage != first.LinkPage })
	for range 2 * triesOfOne {
		h.want(h.get(old+"/state"), 410, "the script of the page")
	}
	a := h.get(old)
	h.want(a, 410, "the page", "out of date", "Amazon did not accept the code", "address that the device’s display shows now")
	if strings.Contains(a.body, second.SerialNumber) || strings.Contains(a.body, "<script>") || strings.Contains(a.body, h.page.site.currentToken()) {
		t.Errorf("it tells of the device, or will ask for its state for ever:\n%s", a.body)
	}
	h.want(h.paste(old, "ANabcdefghijklmnopqr"), 410, "a code without a state", "from another QR code")
	h.want(h.paste(old, strings.Repeat("x", 1<<20)), 410, "1 MiB", "out of date")
	h.want(h.get(address(second)), 200, "the page of now", "Amazon did not accept the code", "Sign in again")
	// The person pasted a moment too late.
	h.want(h.paste(old, h.signIn(second.AuthorizeURL)), 303, "an address with a state of ours")
	h.linked()
	a = h.paste(old, h.signIn(second.AuthorizeURL))
	if h.want(a, 410, "linked"); strings.Contains(a.body, "Ada") {
		t.Errorf("the page of the attempt before tells whose account it is:\n%s", a.body)
	}
}

func TestCancelAtAmazonIsSaidOnThePage(t *testing.T) {
	h := open(t, options{redirect: "https://radio.example/link/"})
	st := h.offered()
	back, err := h.sim.Cancel(st.AuthorizeURL)
	must(t, err)
	h.want(h.get(address(st)+"?"+mustParse(t, back).RawQuery), 400, "Cancel", "pressed Cancel", "Sign in at Amazon")
	h.want(h.get(address(st)), 200, "the page after it", "pressed Cancel")
}

func TestSecondPhoneFindsTheDeviceLinked(t *testing.T) {
	h := open(t, options{})
	st := h.offered()
	one, two := h.signIn(st.AuthorizeURL), h.signIn(st.AuthorizeURL)
	h.want(h.paste(address(st), one), 303, "the first phone")
	a := h.paste(address(st), two)
	if a.status != 303 && !strings.Contains(a.body, "Another code is being tried") {
		t.Errorf("the second phone in the middle of it: %d\n%s", a.status, a.body)
	}
	h.linked()
	h.want(h.get(address(st)), 200, "the second phone afterwards", "This device is linked")
	if n := h.sim.Count(lwatest.Exchange); n != 1 {
		t.Errorf("%d codes were sent, want the first", n)
	}
}

func TestCodePairNeedsNothingPasted(t *testing.T) {
	t.Parallel()
	h := open(t, options{method: agent.MethodCBL})
	st := h.offered()
	page := address(st)
	a := h.get(page)
	h.want(a, 200, "the page", st.UserCode, "cbl-code="+st.UserCode, "Nothing has to be copied", "at most 10 seconds")
	if strings.Contains(a.body, "<form") {
		t.Error("there is a form, and nothing to put in")
	}
	must(t, h.sim.AllowPair(st.UserCode))
	h.linked()
	h.want(h.get(page), 200, "linked", "Ada Lovelace")
}

func TestOtherNamesThanOursAreRefused(t *testing.T) {
	redirect := "http://localhost:" + freePort(t) + "/authresponse"
	h := open(t, options{redirect: redirect})
	st := h.offered()
	for _, target := range []string{address(st), redirect} {
		for _, host := range []string{"evil.example", "evil.example:9744", "local", "a.local.evil.example", "127.0.0.1.evil.example"} {
			a := h.do(http.MethodGet, target, "", otherHost(host))
			if a.status != http.StatusMisdirectedRequest || strings.Contains(a.body, st.SerialNumber) {
				t.Errorf("%s as %q: %d; a page of a stranger's could read this one (DNS rebinding)", target, host, a.status)
			}
		}
	}
	for _, host := range []string{"127.0.0.1", "192.168.1.20:9744", "[fd00::7]:9744", "radio.local", "localhost:9744"} {
		h.want(h.do(http.MethodGet, address(st), "", otherHost(host)), 200, host)
	}
}

func TestWrongAddressesAreLimited(t *testing.T) {
	h := open(t, options{})
	st := h.offered()
	page := address(st)
	root := strings.TrimSuffix(page, mustParse(t, page).Path)
	for range 4 {
		for _, icon := range []string{"/favicon.ico", "/apple-touch-icon.png", "/apple-touch-icon-120x120-precomposed.png"} {
			h.want(h.get(root+icon), 404, "what browsers ask for by themselves")
		}
	}
	for range 3 {
		a := h.get(root + "/")
		if h.want(a, 404, "no characters at all", "four characters"); strings.Contains(a.body, "<script>") {
			t.Fatal("a page at a wrong address would ask for its state there until the limit is reached")
		}
	}
	for range triesOfOne {
		h.want(h.get(root+"/2222/"), 404, "a wrong address")
	}
	a := h.get(page)
	h.want(a, 429, "the right one after too many wrong ones", "Wait a minute")
	if a.header.Get("Retry-After") != "60" {
		t.Error("nobody says when to come again")
	}
	h.want(h.get(page+"?code=1"), 429, "the right one with a code, which would tell a guesser that it is right")
	h.want(h.get(page+"?code=ANabcdefghijklmnopqr&state=AAAAAAAAAAAAAAAAAAAAAA"), 429, "the same with a state")
	h.machine = 1
	h.want(h.get(page), 200, "another machine, which has tried nothing")
	for h.machine = 2; h.machine < 2+triesOfAll/triesOfOne; h.machine++ {
		for range triesOfOne {
			h.get(root + "/2222")
		}
	}
	h.want(h.get(page), 429, "a machine that comes when all have tried too often")
	h.machine = 1
	h.want(h.get(page), 200, "the machine that showed the right one before")
	h.machine = 99
	h.want(h.get(strings.Replace(h.signIn(st.AuthorizeURL), "localhost", "127.0.0.1", 1)), 303, "the redirect on this device, which neighbours cannot shut out")
	h.linked()
}

func TestTriesOfAllAreLimitedToo(t *testing.T) {
	tr := newTries()
	now := time.Now()
	for i := range triesOfAll {
		who := hostOf("10.0.0." + string(rune('0'+i%10)) + ":1")
		if i < 10 && !tr.allowed(who, "7K2Q", now) {
			t.Fatalf("try %d is refused", i)
		}
		tr.wrong(who)
	}
	stranger := hostOf("192.168.1.9:1")
	if tr.allowed(stranger, "7K2Q", now.Add(triesSpan-1)) {
		t.Error("a guesser with many addresses is not limited")
	}
	if !tr.allowed(stranger, "7K2Q", now.Add(triesSpan)) {
		t.Error("the person with the phone is never let in again")
	}
}

func TestMethodsAndSizesAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	page := address(h.offered())
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch} {
		h.want(h.do(method, page, ""), 405, method)
	}
	h.want(h.paste(page, strings.Repeat("x", 1<<20)), 413, "1 MiB", "too long")
	h.want(h.paste(page, ""), 400, "an empty form", "There is no text")
}

func TestPageIsThereAMinuteLongerThanTheOffer(t *testing.T) {
	p := New(nil, Config{}, nil)
	now := time.Now()
	if p.wanted(now) {
		t.Error("open before anything is known")
	}
	p.take(agent.Status{State: agent.Linked}, now)
	if p.wanted(now) {
		t.Error("a device that was linked at its start opens a page")
	}
	p.take(agent.Status{State: agent.Linked, AuthorizeURL: "https://x/?state=a"}, now)
	if !p.wanted(now.Add(24 * time.Hour)) {
		t.Error("closed while a link is offered")
	}
	p.take(agent.Status{State: agent.Linked}, now)
	if !p.wanted(now.Add(farewell-1)) || p.wanted(now.Add(farewell)) {
		t.Error("the page must say for a minute that the device is linked, and be gone then")
	}
}

func TestEachAttemptHasAnAddressOfItsOwn(t *testing.T) {
	s := newSite(nil)
	offer := func(state string) string {
		s.show(agent.Status{State: agent.Unlinked, AuthorizeURL: "https://x/?state=" + state})
		return s.currentToken()
	}
	first := offer("a")
	if offer("a.192.168.1.20:9744%2F2222") != first {
		t.Error("the address changes because it stands in the QR code")
	}
	if offer("b") == first {
		t.Error("the address of an old attempt still opens the page")
	}
}

func TestAddressOfAnEarlierOfferIsGone(t *testing.T) {
	s := newSite(nil)
	pair := agent.Status{State: agent.Unlinked, UserCode: "ABCDEF"}
	s.show(agent.Status{State: agent.Unlinked}) // before there is a pair
	s.show(pair)
	first := s.currentToken()
	pair.UserCode = "GHIJKL"
	if s.show(pair); s.currentToken() != first {
		t.Error("the address changes with the pair, under the person's hands")
	}
	if !s.show(agent.Status{State: agent.Linked}) || s.currentToken() != first {
		t.Error("who linked the device does not get to hear it")
	}
	if s.show(pair); s.currentToken() == first {
		t.Error("who saw the display at the first link, a guest who was unlinked, say, gets in at the second")
	}
}

func FuzzSite(f *testing.F) {
	f.Add("GET", "/2222", "code=ANabcdefghijklmnopqr&state=x", "")
	f.Add("POST", "/2222", "", "address=ANabcdefghijklmnopqr")
	f.Add("GET", "/authresponse", "error=access_denied&error_description=%3Cb%3E", "")
	f.Fuzz(func(t *testing.T, method, path, query, form string) { visit(t, method, path, query, form) })
}
