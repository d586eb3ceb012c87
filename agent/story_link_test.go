package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

func TestRelinkKeepsTheOldLinkUntilTheNewOneIsThere(t *testing.T) {
	for _, method := range []string{MethodCode, MethodCBL} {
		id := map[string]string{MethodCode: lwatest.MobileClientID, MethodCBL: lwatest.DeviceClientID}[method]
		story(t, lwatest.Options{}, id, method, func(t *testing.T, h *house) {
			h.link()
			old := h.onDisk().Link.Refresh
			if r := h.change(func(id uint64) event { return relinkAsked{id} }); r.outcome != done {
				t.Fatalf("relink: %+v", r)
			}
			h.pass(time.Second)
			if s := h.wantState(Linked, "during a relink"); s.AuthorizeURL == "" && s.UserCode == "" {
				t.Errorf("no way to link is shown: %+v", s)
			}
			h.pass(2 * time.Hour)
			h.wantToken("during a relink")
			h.restart()
			h.pass(time.Second)
			h.wantToken("during a relink, after a restart")
			if method == MethodCode {
				h.post(h.signIn())
			} else {
				must(t, h.sim.AllowPair(h.pairShown()))
			}
			h.until("the new link", time.Minute, func() bool { return h.onDisk().Link.Refresh != old })
			if s := h.wantState(Linked, "relinked"); s.AuthorizeURL != "" || s.UserCode != "" || s.Reason != "" {
				t.Errorf("relinked: %+v", s)
			}
			h.wantToken("relinked")
		})
	}
}

func TestUnlinkForgetsAndOffersAnew(t *testing.T) {
	codeStory(t, lwatest.Options{Rotate: true}, func(t *testing.T, h *house) {
		h.link()
		h.pass(3 * time.Hour)
		refreshToken := h.onDisk().Link.Refresh.Reveal()
		if r := h.change(func(id uint64) event { return unlinkAsked{id} }); r.outcome != done {
			t.Fatalf("unlink: %+v", r)
		}
		if names := (stateDir{t, h.cfg.StateDir}).holding(refreshToken); len(names) != 0 {
			t.Errorf("the refresh token still stands in %v", names)
		}
		if names := (stateDir{t, h.cfg.StateDir}).holding("Atzr|"); len(names) != 0 {
			t.Errorf("some refresh token still stands in %v", names)
		}
		if _, r, _ := h.token(0); r.outcome != notLinked {
			t.Errorf("outcome %d after unlink", r.outcome)
		}
		refreshes := h.sim.Count(lwatest.Refresh)
		h.pass(3 * time.Hour)
		if n := h.sim.Count(lwatest.Refresh) - refreshes; n != 0 {
			t.Errorf("%d refreshes after unlink", n)
		}
		h.restart()
		if s := h.wantState(Unlinked, "after unlink and restart"); s.AuthorizeURL == "" {
			t.Error("no way to link again is shown")
		}
		h.link()
	})
}

func TestDamagedStateIsSaidAndTheEvidenceKept(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.shutDown()
		for _, name := range []string{currentName, previousName} {
			must(t, os.Truncate(filepath.Join(h.cfg.StateDir, name), 20))
		}
		h.powerOn()
		if s := h.wantState(Unlinked, "both files are damaged"); s.LastError == nil || s.LastError.Code != "store_damaged" || strings.Contains(fmt.Sprint(*s.LastError), "\n") {
			t.Errorf("%+v; want it said that a link was there, in one line", s.LastError)
		}
		h.pass(3 * time.Hour)
		h.wantError("store_damaged", "nobody has linked it again")
		h.link()
		h.wantError("", "linked again")
	})
}

// systemd waits for the word, and gives up after 30 s.
func TestReadyIsSaidAtOnceWhateverElseHappens(t *testing.T) {
	for range 30 {
		codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
			h.shutDown()
			said := false
			h.cfg.Alive = func() { said = true }
			h.before = func(a *Agent) { a.events <- networkChanged{} }
			h.powerOn()
			if !said {
				t.Fatal("an event that came first put READY off to the next tick")
			}
		})
	}
}
