package agent

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// story tells one in a bubble with a new device, and checks at its end what
// must hold in every story.
func story(t *testing.T, o lwatest.Options, clientID, method string, tell func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, o, clientID, method)
		defer h.end()
		h.powerOn()
		tell(t, h)
	})
}

// codeStory is story by the authorize URL, cblStory by code-based linking.
func codeStory(t *testing.T, o lwatest.Options, tell func(t *testing.T, h *house)) {
	t.Helper()
	story(t, o, lwatest.MobileClientID, MethodCode, tell)
}

func cblStory(t *testing.T, o lwatest.Options, tell func(t *testing.T, h *house)) {
	t.Helper()
	story(t, o, lwatest.DeviceClientID, MethodCBL, tell)
}

func (h *house) status() Status {
	h.t.Helper()
	synctest.Wait()
	v := h.agent.view.Load()
	if v == h.looked {
		return v.status
	}
	h.looked = v
	if bytes.Contains(v.json, []byte("Atza|")) || bytes.Contains(v.json, []byte("Atzr|")) || bytes.Contains(v.json, []byte("oa2-cs")) {
		h.t.Errorf("the status holds a secret: %s", v.json)
	}
	return v.status
}

func (h *house) is(state string) func() bool {
	return func() bool { return h.status().State == state }
}

func (h *house) wantState(state, why string) Status {
	h.t.Helper()
	s := h.status()
	if s.State != state {
		h.t.Fatalf("%s: state is %q (%s, last error %+v), want %q", why, s.State, s.Reason, s.LastError, state)
	}
	return s
}

func (h *house) wantError(code, why string) Problem {
	h.t.Helper()
	p := h.status().LastError
	if p == nil {
		p = &Problem{}
	}
	if p.Code != code {
		h.t.Fatalf("%s: last error is %+v, want %q", why, *p, code)
	}
	return *p
}

// token asks as a program does, and says how long that took.
func (h *house) token(minValid time.Duration) (access, replied, time.Duration) {
	h.t.Helper()
	begin := time.Now()
	acc, r, err := h.agent.goodToken(h.t.Context(), minValid, askPatience)
	if err != nil {
		h.t.Fatalf("asking for a token: %v", err)
	}
	return acc, r, time.Since(begin)
}

// wantToken asks for a token that must be there at once.
func (h *house) wantToken(why string) access {
	h.t.Helper()
	acc, r, took := h.token(0)
	if r.outcome != done || acc.left(h.cfg.Uptime()) <= 0 || took != 0 {
		h.t.Fatalf("%s: the token has %v left after %v (%+v), want a good one at once", why, acc.left(h.cfg.Uptime()), took, r.problem)
	}
	return acc
}

// signIn is the person with the phone; it returns the address that the
// browser ends on.
func (h *house) signIn() string {
	h.t.Helper()
	s := h.status()
	if s.AuthorizeURL == "" {
		h.t.Fatalf("no QR code is shown to sign in with: %+v", s)
	}
	back, err := h.sim.Allow(s.AuthorizeURL)
	if err != nil {
		h.t.Fatal(err)
	}
	return back
}

// post hands a text in, as lwa-agent code does.
func (h *house) post(text string) replied {
	h.t.Helper()
	drop, err := lwa.ParseDrop([]byte(text))
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(h.t.Context(), time.Minute)
	defer stop()
	r, err := h.agent.ask(ctx, func(id uint64) event { return codePosted{question: id, drop: drop} })
	if err != nil {
		h.t.Fatalf("nobody answers to a code: %v", err)
	}
	return r
}

func (h *house) change(ev func(id uint64) event) replied {
	h.t.Helper()
	ctx, stop := context.WithTimeout(h.t.Context(), time.Minute)
	defer stop()
	r, err := h.agent.ask(ctx, ev)
	if err != nil {
		h.t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// link links the device by the authorize URL or the code on the screen.
func (h *house) link() {
	h.t.Helper()
	if h.cfg.Method == MethodCode {
		h.post(h.signIn())
	} else {
		h.until("a code on the screen", time.Minute, func() bool { return h.status().UserCode != "" })
		must(h.t, h.sim.AllowPair(h.status().UserCode))
	}
	h.until("linked", 2*time.Minute, h.is(Linked))
}

// onDisk is the record that a new start would find.
func (h *house) onDisk() record {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.cfg.StateDir, currentName))
	must(h.t, err)
	r, _, err := decodeRecord(text)
	must(h.t, err)
	return r
}

// times are when requests of a kind arrived, since the story's begin.
func (h *house) times(kind lwatest.Kind) (times []time.Duration) {
	for _, r := range h.sim.Requests() {
		if r.Kind == kind {
			times = append(times, r.At.Sub(h.start))
		}
	}
	return times
}

func TestFromQRCodeToTokenAndOnForADay(t *testing.T) {
	t.Parallel()
	for _, id := range []string{lwatest.MobileClientID, lwatest.WebClientID} {
		story(t, lwatest.Options{Skew: 3 * time.Hour}, id, MethodCode, func(t *testing.T, h *house) {
			s := h.wantState(Unlinked, "a new device")
			if s.AuthorizeURL == "" || s.UserCode != "" || s.Reason != "not linked yet" || s.SerialNumber == "" {
				t.Errorf("a new device says %+v, want the authorize URL, its serial number and why", s)
			}
			if _, r, _ := h.token(0); r.outcome != notLinked {
				t.Errorf("a token is asked for before linking: outcome %d, want not linked", r.outcome)
			}
			if r := h.post(h.signIn()); r.outcome != done {
				t.Fatalf("the code was not taken: %+v", r.problem)
			}
			h.pass(0)
			s = h.wantState(Linked, "the code is good")
			if s.Account != "Jo Example" || s.AuthorizeURL != "" || s.LinkedSince == nil || s.ExpiresAt == nil || s.NextRefresh == nil || s.LastError != nil || !slices.Equal(s.Scopes, []string{"profile"}) {
				t.Errorf("linked, the status is %+v; want the account named, times, and no way to link", s)
			}
			if s.Clock.SkewSeconds != 3*60*60 {
				t.Errorf("clock skew %d s, want Amazon's 3 h", s.Clock.SkewSeconds)
			}
			h.wantToken("just linked")
			writes := h.status().StoreWrites
			seen := map[lwa.Secret]bool{}
			for range 24 * 6 {
				h.pass(10 * time.Minute)
				seen[h.wantToken("a day").Token] = true
			}
			// An hour's token is renewed after 30 to 45 minutes.
			if n := h.sim.Count(lwatest.Refresh); n < 24*60/45 || n > 24*2+1 || len(seen) != n+1 {
				t.Errorf("%d refreshes and %d tokens in a day, want %d to %d", n, len(seen), 24*60/45, 24*2+1)
			}
			if now := h.status().StoreWrites; now != writes {
				t.Errorf("%d writes to flash in a day in which nothing changed", now-writes)
			}
		})
	}
}
