package agent

import (
	"net/url"
	"strings"
	"testing"

	"lwa-agent/lwa"
)

func TestPageThatMovesChangesTheAddressAndNotTheAttempt(t *testing.T) {
	set := testSettings(MethodCode)
	set.client.RedirectURI = "https://radio.example/link/"
	w := newWorld(t, set, record{}, bootUp)
	state := func() string {
		u, err := url.Parse(w.m.status().AuthorizeURL)
		must(t, err)
		return u.Query().Get("state")
	}
	if s := w.m.status(); strings.Contains(state(), ".") || s.ComesBack {
		t.Errorf("the state is %q without a page", state())
	}
	saves := count[save](w)
	w.do(doorsChanged{Doors{LinkPage: "HTTP://192.168.1.20:9744/7K2Q"}})
	before := state()
	w.do(doorsChanged{Doors{LinkPage: "HTTP://10.0.0.7:9744/7K2Q"}})
	if s := w.m.status(); before == state() || !s.ComesBack || s.LinkPage != "HTTP://10.0.0.7:9744/7K2Q" {
		t.Errorf("status %+v; want the page where it is now", s)
	}
	if n := count[save](w) - saves; n != 0 {
		t.Errorf("%d writes to the disk because a page moved", n)
	}
	w.do(codePosted{question: 77, drop: lwa.Drop{Code: lwa.NewSecret("code-one-1234"), State: before}})
	wantCall[exchange](w, "a code whose QR code was scanned before the page moved")
}

func TestPageThatNoWebPageWouldSendTo(t *testing.T) {
	set := testSettings(MethodCode)
	set.client.RedirectURI = "https://radio.example/link/"
	w := newWorld(t, set, record{}, bootUp)
	w.do(doorsChanged{Doors{LinkPage: "HTTPS://RADIO.EXAMPLE:9744/7K2Q"}})
	if s := w.m.status(); s.ComesBack || strings.Contains(s.AuthorizeURL, "9744") || s.LinkPage == "" {
		t.Errorf("comes back: %t, %s; the page on the web goes to local machines alone, so the person has to paste", s.ComesBack, s.AuthorizeURL)
	}

	w = unlinkedWorld(t) // its redirect goes to localhost
	w.do(doorsChanged{Doors{LinkPage: "HTTP://192.168.1.20:9744/7K2Q"}})
	if s := w.m.status(); s.ComesBack || strings.Contains(s.AuthorizeURL, "9744") {
		t.Errorf("comes back: %t, %s; nothing reads the state on localhost but the person", s.ComesBack, s.AuthorizeURL)
	}
	w.do(doorsChanged{Doors{Trouble: Problem{Code: "link_page", Message: "x", Hint: "y"}}})
	w.wantProblem("link_page", "the page is in trouble")
	w.do(doorsChanged{})
	w.wantProblem("", "it is mended")
}
