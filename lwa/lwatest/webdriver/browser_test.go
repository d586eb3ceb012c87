//go:build browser

package webdriver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A check that finds nothing, whatever the page, would pass every test.
func TestAxeFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := Laptop(t)
	b.Open("data:text/html,<title>x</title><main><h1>x</h1><p style='color:%23bbb;background:%23fff'>pale</p><input></main>")
	all := strings.Join(findings(t, b), "\n")
	for _, rule := range []string{"html-has-lang at [html]", "color-contrast at [p]", "label at [input]"} {
		if !strings.Contains(all, rule) {
			t.Errorf("axe does not find %s; it finds\n%s", rule, all)
		}
	}
}

func TestBrowserReachesNothingButLoopbackAndNamedHosts(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<body>you asked for "+r.Host)
	}))
	defer server.Close()
	where := strings.TrimPrefix(server.URL, "http://")
	b := Phone(t, Dark, Host("device.local", where), Host("192.168.1.20", where))
	for _, host := range []string{"device.local", "192.168.1.20:9744"} {
		b.Open("http://" + host + "/")
		if got := b.Text("body"); got != "you asked for "+host {
			t.Errorf("the page of %s says %q", host, got)
		}
	}
	var dark bool
	b.Eval("return matchMedia('(prefers-color-scheme: dark)').matches", &dark)
	if !dark {
		t.Error("the pages are asked for light, want dark")
	}
	if err := b.call(http.MethodPost, "/url", map[string]any{"url": "http://192.168.1.21/"}, nil); err == nil || !strings.Contains(err.Error(), "ERR_NAME_NOT_RESOLVED") {
		t.Errorf("a host that was not named: %v, want that there is none", err)
	}
}
