package linkpage

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"lwa-agent/agent"
	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// visited is one device for all inputs of a fuzzer: nothing that strangers
// send may change it.
var visited = sync.OnceValue(func() *site {
	endpoints, _ := lwa.RegionEndpoints("na")
	dir, err := os.MkdirTemp("", "lwa-agent-fuzz")
	if err != nil {
		panic(err)
	}
	a, err := agent.New(agent.Config{
		Client: lwa.Client{ID: lwatest.MobileClientID, Scopes: []string{"profile"}, RedirectURI: lwatest.ReturnURL, Endpoints: endpoints, Transport: refuser{}},
		Method: agent.MethodCode, StateDir: dir, Uptime: agent.Uptime, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	go func() { _ = a.Run(context.Background()) }()
	s := newSite(a)
	a.Statuses(context.Background(), func(st agent.Status) bool { s.show(st); return st.AuthorizeURL == "" })
	return s
})

// refuser is an Amazon to which nothing may be sent.
type refuser struct{}

func (refuser) RoundTrip(r *http.Request) (*http.Response, error) {
	panic("a stranger's code was sent to " + r.URL.Host)
}

// visit is a request of a stranger, who does not know the token.
func visit(t *testing.T, method, path, query, form string) {
	s := visited()
	if strings.Contains(strings.ToUpper(path), s.currentToken()) || strings.Contains(query, s.offer) {
		return // that is no stranger
	}
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", strings.NewReader(form))
	r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.handler(entrance{tries: newTries(), mayBeCalled: func(string) bool { return true }}).ServeHTTP(w, r)
	if w.Code < 400 || w.Code >= 500 {
		t.Fatalf("%s %q?%q: %d, want a refusal\n%s", method, path, query, w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), s.currentToken()) || strings.Contains(w.Body.String(), s.offer) {
		t.Fatalf("%s %q?%q: the answer tells the token or the state\n%s", method, path, query, w.Body)
	}
}

// enter is a request of somebody who knows the token, with what may belong to
// another device and is no code of their own. It returns the answers to the form
// and to the query.
func enter(query, form string) (pasted, redirected *httptest.ResponseRecorder) {
	s := visited()
	ask := func(method, query, form string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1/"+s.currentToken(), strings.NewReader(form))
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.handler(entrance{tries: newTries(), mayBeCalled: func(string) bool { return true }}).ServeHTTP(w, r)
		return w
	}
	return ask(http.MethodPost, "", form), ask(http.MethodGet, query, "")
}

// FuzzForm hands in what a person who sees the display might paste, or be made
// to. The refuser sees to it that nothing with another device's state, or with
// none where a redirect has to have one, gets to Amazon.
func FuzzForm(f *testing.F) {
	const foreign = "state=AAAAAAAAAAAAAAAAAAAAAA"
	address := "https://localhost:9745/authresponse?code=ANabcdefghijklmnopqr&" + foreign
	f.Add("code=ANabcdefghijklmnopqr&"+foreign, "address="+url.QueryEscape(address))
	f.Add("code=ANabcdefghijklmnopqr", "address="+url.QueryEscape(`</textarea><script>alert("x")</script>`))
	f.Add("error=access_denied&error_description=%3Cb%3E&"+foreign, "address="+url.QueryEscape("error=a<b>&error_description=<i>\"'"))
	f.Add("error=%3Cb%3E", "address="+url.QueryEscape(`{"code":"ANabcdefghijklmnopqr","state":"<b>"}`))
	f.Add("", "address=a;b&address=%zz")
	f.Add("x=1", "")
	plain, _ := enter("", "address=two+words")
	marks := func(w *httptest.ResponseRecorder) [2]int {
		return [2]int{strings.Count(w.Body.String(), "<"), strings.Count(w.Body.String(), `"`)}
	}
	f.Fuzz(func(t *testing.T, query, form string) {
		values, _ := url.ParseQuery(form)
		drop, err := lwa.ParseDrop([]byte(values.Get("address")))
		if err == nil && drop.State == "" && drop.Error == "" {
			return // their own code
		}
		if s := visited(); strings.Contains(query, s.offer) || strings.Contains(form, s.offer) || strings.Contains(drop.State, s.offer) {
			return // no other device's
		}
		pasted, redirected := enter(query, form)
		if pasted.Code != http.StatusBadRequest && pasted.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("the form %q: %d, want a refusal\n%s", form, pasted.Code, pasted.Body)
		}
		if got, want := marks(pasted), marks(plain); got != want {
			t.Errorf("the form %q: %d angles and quotes, want %d: the page shows what was pasted as HTML\n%s", form, got, want, pasted.Body)
		}
		if redirected.Code != http.StatusOK && redirected.Code != http.StatusBadRequest {
			t.Errorf("the query %q: %d, want the page or a refusal\n%s", query, redirected.Code, redirected.Body)
		}
		if got, want := marks(redirected), marks(plain); redirected.Code == http.StatusBadRequest && got != want {
			t.Errorf("the query %q: %d angles and quotes, want %d: the page shows it as HTML\n%s", query, got, want, redirected.Body)
		}
	})
}
