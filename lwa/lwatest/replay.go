package lwatest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// A Replay answers as a recorded server did, request by request: what a device
// writes with --transcript becomes a test. The secrets that were hidden in the
// record are made up anew, of the same kind and length, the same text for the
// same hash, so that a client that must send back what it was given can be held
// to it. All its methods may be called at the same time.
type Replay struct {
	mu          sync.Mutex
	left        []spoken
	given       map[string]string // by hash, what was made up and sent to the client
	differences []string
}

// spoken is a line of a transcript; lwa writes it.
type spoken struct {
	Method string
	URL    string
	Query  [][2]string
	Bearer string
	Form   [][2]string
	Unsent bool
	Status int
	Header map[string]string
	Body   string
	Failed string
}

// maxLine bounds a line of a transcript, in bytes.
const maxLine = 1 << 20

// ReadTranscript reads what a lwa.Transcript wrote. Its error names the line.
func ReadTranscript(from io.Reader) (*Replay, error) {
	p := &Replay{given: map[string]string{}}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var s spoken
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return nil, fmt.Errorf("line %d of the transcript: %w; record it again", n, err)
		}
		if s.Method == "" || s.Status == 0 && s.Failed == "" {
			return nil, fmt.Errorf("line %d of the transcript has no method or no answer; record it again", n)
		}
		p.left = append(p.left, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("the transcript cannot be read: %w", err)
	}
	return p, nil
}

// Left returns how many recorded answers nobody has asked for yet.
func (p *Replay) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.left)
}

// Differences returns, in order, where the client did something else than the
// recorded one. It holds no secret.
func (p *Replay) Differences() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.differences)
}

// RoundTripper answers without a socket; failures are those that net/http's
// transport would have returned.
func (p *Replay) RoundTripper() http.RoundTripper { return replaying{p} }

type replaying struct{ replay *Replay }

func (t replaying) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body == nil {
		body = http.NoBody
	}
	defer body.Close()
	next, found := t.replay.next(r)
	if found && next.Unsent {
		return nil, failureOf(next.Failed, r)
	}
	raw, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("sending the request: %w", err)
	}
	if found {
		t.replay.compare(next, r, raw)
		if next.Status == 0 {
			return nil, failureOf(next.Failed, r)
		}
	}
	return t.replay.answer(next, found).response(r), nil
}

// ServeHTTP implements http.Handler. A request that got no answer is a reset
// connection, whatever it was.
func (p *Replay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return
	}
	next, found := p.next(r)
	if found {
		p.compare(next, r, raw)
		if next.Status == 0 {
			reset(w)
			return
		}
	}
	p.answer(next, found).write(w, r)
}

// next takes the next line for the address of r.
func (p *Replay) next(r *http.Request) (spoken, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.left {
		if u, err := url.Parse(s.URL); err == nil && s.Method == r.Method && u.Path == r.URL.Path {
			p.left = slices.Delete(p.left, i, i+1)
			return s, true
		}
	}
	p.differ("%s %s, which the recorded client did not ask for any more", r.Method, r.URL.Path)
	return spoken{}, false
}

func (p *Replay) differ(format string, args ...any) {
	p.differences = append(p.differences, fmt.Sprintf(format, args...))
}

// compare notes where a request differs from the recorded one.
func (p *Replay) compare(s spoken, r *http.Request, raw []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.compareForm(s, s.Form, string(raw), "the form")
	p.compareForm(s, s.Query, r.URL.RawQuery, "the query")
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
	if (s.Bearer == "") != (token == "") {
		p.differ("%s %s with another Authorization than recorded", s.Method, r.URL.Path)
	} else if want, made := p.expected(s.Bearer); made && token != want {
		p.differ("%s %s with another access token than the one that was given out", s.Method, r.URL.Path)
	}
}

func (p *Replay) compareForm(s spoken, recorded [][2]string, raw, where string) {
	got, err := url.ParseQuery(raw)
	if err != nil {
		p.differ("%s %s: %s cannot be read", s.Method, s.URL, where)
		return
	}
	for _, pair := range recorded {
		name, value := pair[0], pair[1]
		if _, has := got[name]; !has {
			p.differ("%s %s: %s lacks %s", s.Method, s.URL, where, name)
			continue
		}
		want, made := p.expected(value)
		if made && got.Get(name) != want {
			p.differ("%s %s: %s has another %s than recorded or given out", s.Method, s.URL, where, name)
		}
		delete(got, name)
	}
	for name := range got {
		p.differ("%s %s: %s has %s, which the recorded one lacks", s.Method, s.URL, where, name)
	}
}

// expected is what a value must be: itself, or what was made up for it; known
// is false for a secret of the client's own.
func (p *Replay) expected(value string) (text string, known bool) {
	m := hidden().FindStringSubmatch(value)
	if m == nil {
		return value, value != ""
	}
	text, known = p.given[m[4]]
	return text, known
}
