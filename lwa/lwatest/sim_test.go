package lwatest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

const scopeData = `{"alexa:all":{"productID":"kitchen-radio","productInstanceAttributes":{"deviceSerialNumber":"0042"}}}`

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// wire is one way to reach a simulator.
type wire struct {
	t    *testing.T
	sim  *lwatest.Sim
	rt   http.RoundTripper
	base string
}

// direct is the simulator without a socket, as package agent's stories use it.
func direct(t *testing.T, o lwatest.Options) *wire {
	sim := lwatest.New(o)
	return &wire{t: t, sim: sim, rt: sim.RoundTripper(), base: "https://api.amazon.com"}
}

// overSocket is the simulator as the demo and the browser meet it.
func overSocket(t *testing.T, o lwatest.Options) *wire {
	sim := lwatest.New(o)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	transport := &http.Transport{DisableKeepAlives: true}
	return &wire{t: t, sim: sim, rt: transport, base: server.URL}
}

// overBoth tells one story over each wire.
func overBoth(t *testing.T, o lwatest.Options, story func(t *testing.T, w *wire)) {
	t.Run("direct", func(t *testing.T) { story(t, direct(t, o)) })
	t.Run("socket", func(t *testing.T) { story(t, overSocket(t, o)) })
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	text   string // its first MiB
	size   int64
	fields map[string]any
}

func (r reply) str(name string) string {
	text, _ := r.fields[name].(string)
	return text
}

func (w *wire) send(method, path, contentType, body string) (reply, error) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return w.do(req)
}

func (w *wire) do(req *http.Request) (reply, error) {
	w.t.Helper()
	resp, err := w.rt.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return reply{}, err
	}
	rest, err := io.Copy(io.Discard, resp.Body)
	r := reply{status: resp.StatusCode, header: resp.Header, text: string(text), size: int64(len(text)) + rest}
	_ = json.Unmarshal(text, &r.fields) // some answers are meant to be no JSON
	return r, err
}

const formType = "application/x-www-form-urlencoded"

func (w *wire) form(path string, pairs ...string) reply {
	w.t.Helper()
	r, err := w.send(http.MethodPost, path, formType, values(pairs...).Encode())
	if err != nil {
		w.t.Fatalf("POST %s: %v", path, err)
	}
	return r
}

func (w *wire) token(pairs ...string) reply {
	w.t.Helper()
	return w.form("/auth/o2/token", pairs...)
}

func (w *wire) get(path string) reply {
	w.t.Helper()
	r, err := w.send(http.MethodGet, path, "", "")
	if err != nil {
		w.t.Fatalf("GET %s: %v", path, err)
	}
	return r
}

// values makes parameters of names and values in turn; an empty value takes the
// parameter out.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v
}

// authorizeURL is a right one for the client; changes alter it.
func authorizeURL(clientID string, changes ...string) string {
	all := append([]string{
		"client_id", clientID, "scope", "profile", "response_type", "code", "redirect_uri", lwatest.ReturnURL,
		"state", "st4te with blank", "code_challenge", challenge(verifier), "code_challenge_method", "S256",
	}, changes...)
	return "https://www.amazon.com/ap/oa?" + values(all...).Encode()
}

// signIn presses Allow and returns the code.
func (w *wire) signIn(clientID string, changes ...string) string {
	w.t.Helper()
	back, err := w.sim.Allow(authorizeURL(clientID, changes...))
	if err != nil {
		w.t.Fatalf("pressing Allow: %v", err)
	}
	u, err := url.Parse(back)
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Query().Get("code")
}

func (w *wire) exchange(clientID, code string, changes ...string) reply {
	w.t.Helper()
	all := []string{
		"grant_type", "authorization_code", "code", code, "redirect_uri", lwatest.ReturnURL,
		"client_id", clientID, "code_verifier", verifier,
	}
	return w.token(append(all, changes...)...)
}

func (w *wire) refresh(clientID, token string, changes ...string) reply {
	w.t.Helper()
	return w.token(append([]string{"grant_type", "refresh_token", "refresh_token", token, "client_id", clientID}, changes...)...)
}

// link signs a mobile client in and returns its refresh token.
func (w *wire) link() string {
	w.t.Helper()
	r := w.exchange(lwatest.MobileClientID, w.signIn(lwatest.MobileClientID))
	w.want(r, http.StatusOK, "")
	return r.str("refresh_token")
}

// want checks status and error word; an empty word means that there is none.
func (w *wire) want(r reply, status int, word string) {
	w.t.Helper()
	if r.status != status || r.str("error") != word {
		w.t.Fatalf("answer is %d %q, want %d %q; body %.200s", r.status, r.str("error"), status, word, r.text)
	}
}

// wantViolations checks that each text is part of one violation, in order, and
// that there are no others.
func (w *wire) wantViolations(texts ...string) {
	w.t.Helper()
	got := w.sim.Violations()
	if len(got) != len(texts) {
		w.t.Fatalf("got %d violations %q, want %d %q", len(got), got, len(texts), texts)
	}
	for i := range texts {
		if !strings.Contains(got[i], texts[i]) {
			w.t.Errorf("violation %d is %q, want one that says %q", i, got[i], texts[i])
		}
	}
}
