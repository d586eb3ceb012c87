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
	s.tries = tries{}
	if strings.Contains(strings.ToUpper(path), s.currentToken()) || strings.Contains(query, s.offer) {
		return // that is no stranger
	}
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", strings.NewReader(form))
	r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.handler(door{mayBeCalled: func(string) bool { return true }}).ServeHTTP(w, r)
	if w.Code < 400 || w.Code >= 500 {
		t.Fatalf("%s %q?%q: %d, want a refusal\n%s", method, path, query, w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), s.currentToken()) || strings.Contains(w.Body.String(), s.offer) {
		t.Fatalf("%s %q?%q: the answer tells the token or the state\n%s", method, path, query, w.Body)
	}
}
