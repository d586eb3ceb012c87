package webdriver

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Browser is a Chromium at one page. Elements are named by CSS selectors and
// waited for; the first one that fits is meant.
type Browser struct {
	t       *testing.T
	session string // its address at the driver
	width   int
	dark    bool
}

// Open goes to an address. That the page behind a redirect does not load is no
// error here: nobody listens at the return URL, as on a person's phone.
func (b *Browser) Open(address string) {
	b.t.Helper()
	b.must(http.MethodPost, "/url", map[string]any{"url": address}, nil)
}

// Back goes back by one page, from the browser's cache where it can. A person's
// button may skip pages that went on without a touch; this does not.
func (b *Browser) Back() {
	b.t.Helper()
	b.must(http.MethodPost, "/back", map[string]any{}, nil)
}

// Reload loads the page anew.
func (b *Browser) Reload() {
	b.t.Helper()
	b.must(http.MethodPost, "/refresh", map[string]any{}, nil)
}

// Address is what the address bar shows.
func (b *Browser) Address() string {
	b.t.Helper()
	var address string
	b.must(http.MethodGet, "/url", nil, &address)
	return address
}

// Source is the page as it stands in the browser, as HTML.
func (b *Browser) Source() string {
	b.t.Helper()
	var html string
	b.must(http.MethodGet, "/source", nil, &html)
	return html
}

// Click clicks an element that can be clicked. It does not wait for a page that
// the click leads to; what is looked for next does.
func (b *Browser) Click(css string) {
	b.t.Helper()
	b.element(css, http.MethodPost, "/click", map[string]any{}, nil)
}

// Type types text into a field, behind what stands in it.
func (b *Browser) Type(css, text string) {
	b.t.Helper()
	b.element(css, http.MethodPost, "/value", map[string]any{"text": text}, nil)
}

// Paste pastes what was copied into a field, with the keys for it.
func (b *Browser) Paste(css string) {
	b.t.Helper()
	const control = "\ue009" // WebDriver, section 17.4.2
	b.Type(css, control+"v")
}

// Text is the text of an element that a person can see.
func (b *Browser) Text(css string) string {
	b.t.Helper()
	var text string
	b.element(css, http.MethodGet, "/text", nil, &text)
	return text
}

// Shown reports whether a person can see the element; it is false for one that
// is not on the page.
func (b *Browser) Shown(css string) bool {
	b.t.Helper()
	var shown bool
	b.Eval(`const e = document.querySelector(arguments[0]); return e !== null && e.checkVisibility({visibilityProperty: true})`, &shown, css)
	return shown
}

// Attribute is an attribute's value, empty where there is none.
func (b *Browser) Attribute(css, name string) string {
	b.t.Helper()
	var value string
	b.element(css, http.MethodGet, "/attribute/"+name, nil, &value)
	return value
}

// Property is what an element's JavaScript property is now, as text: the value
// of a field, say.
func (b *Browser) Property(css, name string) string {
	b.t.Helper()
	var value string
	b.element(css, http.MethodGet, "/property/"+name, nil, &value)
	return value
}

// Eval runs the body of a function in the page, with args as its arguments, and
// stores what it returns in value, if that is not nil.
func (b *Browser) Eval(script string, value any, args ...any) {
	b.t.Helper()
	b.must(http.MethodPost, "/execute/sync", map[string]any{"script": script, "args": append([]any{}, args...)}, value)
}

// Wait waits until holds does, which may look at the page in any way.
func (b *Browser) Wait(what string, holds func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !holds(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("after %v still waiting for %s; the browser is at %s", patience, what, b.Address())
		}
	}
}

// WaitText waits until an element that a person can see holds text; the page
// may be loaded anew meanwhile.
func (b *Browser) WaitText(css, text string) {
	b.t.Helper()
	b.Wait(css+" that says "+text, func() bool {
		var got string
		err := b.call(http.MethodPost, "/execute/sync", map[string]any{
			"script": `const e = document.querySelector(arguments[0]); return e && e.checkVisibility() ? e.innerText : ""`,
			"args":   []any{css},
		}, &got)
		if _, refused := errors.AsType[*commandError](err); err != nil && !refused {
			b.t.Fatal(err)
		}
		return err == nil && strings.Contains(got, text)
	})
}

// WaitAddress waits until the address bar shows an address that begins with
// prefix, and returns it. The page there need not load.
func (b *Browser) WaitAddress(prefix string) string {
	b.t.Helper()
	var address string
	b.Wait("the address "+prefix+"…", func() bool {
		address = b.Address()
		return strings.HasPrefix(address, prefix)
	})
	return address
}

// Tab waits until there are more than n tabs, and goes to the one that was
// opened as number n; the first is 0.
func (b *Browser) Tab(n int) {
	b.t.Helper()
	var tabs []string
	b.Wait("another tab", func() bool {
		b.must(http.MethodGet, "/window/handles", nil, &tabs)
		return len(tabs) > n
	})
	b.must(http.MethodPost, "/window", map[string]any{"handle": tabs[n]}, nil)
	b.Dark(b.dark) // is each tab's own
}

// Dark has the person prefer dark pages, or light ones, from now on.
func (b *Browser) Dark(dark bool) {
	b.t.Helper()
	b.dark = dark
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.DevTools("Emulation.setEmulatedMedia", map[string]any{
		"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
}

// DevTools makes a command of the Chrome DevTools Protocol, for what WebDriver
// has no word for, and stores its result in value, if that is not nil.
func (b *Browser) DevTools(command string, params map[string]any, value any) {
	b.t.Helper()
	b.must(http.MethodPost, "/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, value)
}

// Console returns what the browser's console said since the last call: what a
// Content-Security-Policy stopped, say.
func (b *Browser) Console() []string {
	b.t.Helper()
	var entries []struct{ Message string }
	b.must(http.MethodPost, "/se/log", map[string]any{"type": "browser"}, &entries)
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.Message)
	}
	return lines
}

// Screenshot keeps a picture of the whole page as name.png among the test's
// artifacts, and checks that the page fits the window's width.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	var size []float64
	b.Eval("const e = document.documentElement; return [e.scrollWidth, innerWidth, e.scrollHeight]", &size)
	if len(size) != 3 || size[0] > float64(b.width) || size[1] != float64(b.width) {
		b.t.Errorf("%s: the page is %v pixels wide in the window, want no more than %d in %d, or people must scroll sideways", name, size[:2], b.width, b.width)
	}
	var picture struct{ Data string }
	b.DevTools("Page.captureScreenshot", map[string]any{
		"captureBeyondViewport": true,
		"clip":                  map[string]any{"x": 0, "y": 0, "width": b.width, "height": size[2], "scale": 1},
	}, &picture)
	png, err := base64.StdEncoding.DecodeString(picture.Data)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.t.ArtifactDir(), name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// Find waits until an element is on the page.
func (b *Browser) Find(css string) {
	b.t.Helper()
	b.element(css, http.MethodGet, "/name", nil, nil)
}

// element makes a command to an element. One that is replaced meanwhile, as by
// a page that loads itself anew, is looked for again.
func (b *Browser) element(css, method, command string, body, value any) {
	b.t.Helper()
	for range 10 {
		var found map[string]string // of one reference, by WebDriver's own name for such
		b.must(http.MethodPost, "/element", map[string]any{"using": "css selector", "value": css}, &found)
		for _, id := range found {
			err := b.call(method, "/element/"+id+command, body, value)
			if refused, ok := errors.AsType[*commandError](err); ok && refused.word == "stale element reference" {
				continue
			}
			if err != nil {
				b.t.Fatalf("%s of %s: %v", strings.TrimPrefix(command, "/"), css, err)
			}
			return
		}
	}
	b.t.Fatalf("%s is replaced again and again", css)
}
