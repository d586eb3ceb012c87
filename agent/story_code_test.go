package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// spool is the drop directory of a story. The inbox cannot be in a bubble, so
// drop does what it does: it offers the file as long as that is there.
func (h *house) spool() string { return filepath.Join(filepath.Dir(h.cfg.StateDir), "spool") }

func (h *house) putFile(name, text string) (path string) {
	h.t.Helper()
	must(h.t, os.MkdirAll(h.spool(), 0o700))
	path = filepath.Join(h.spool(), name)
	must(h.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// offer tells the agent of every file in the spool, as a rescan does.
func (h *house) offer() {
	h.t.Helper()
	entries, err := os.ReadDir(h.spool())
	must(h.t, err)
	var offers []droppedCode
	for _, e := range entries {
		if PassedOver(e.Name()) {
			continue
		}
		path := filepath.Join(h.spool(), e.Name())
		text, err := os.ReadFile(path)
		must(h.t, err)
		drop, err := lwa.ParseDrop(text)
		must(h.t, err)
		offers = append(offers, droppedCode{drop, dropped(h.t, path)})
	}
	h.agent.tell(inboxChecked{offers: offers})
	synctest.Wait()
}

func (h *house) wantTaken(path, result, why string) {
	h.t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		h.t.Errorf("%s: the file is still there (%v)", why, err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(path), resultName))
	if err != nil || !strings.Contains(string(text), result) {
		h.t.Errorf("%s: RESULT.txt reads %q (%v), want %q in it", why, text, err, result)
	}
}

func TestACodeIsSentOnceHoweverOftenItIsHandedIn(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		back := h.signIn()
		code := back[strings.Index(back, "code=")+5 : strings.Index(back, "&")]
		h.sim.Fail(lwatest.Failing(503).After(3*time.Second), 1, lwatest.Exchange)
		var hands sync.WaitGroup
		for i, text := range []string{back, code, back, "code=" + code, `{"code":"` + code + `"}`, `CODE="` + code + `"`, back} {
			hands.Go(func() { h.post(text) })
			h.putFile(fmt.Sprintf("copy %d", i), text)
		}
		hands.Wait()
		for range 20 {
			h.offer()
			h.pass(time.Second)
		}
		if n := h.sim.Count(lwatest.Exchange); n != 1 {
			t.Errorf("%d exchanges for one code, want one", n)
		}
		if files, _ := filepath.Glob(filepath.Join(h.spool(), "copy*")); len(files) != 0 {
			t.Errorf("%d copies of a used code lie there for everybody", len(files))
		}
		h.wantState(Unlinked, "the one answer was 503")
		if r := h.post(back); r.outcome != bad || r.problem.Code != "tried" {
			t.Errorf("the code comes once more: outcome %d, %+v; want it refused as tried", r.outcome, r.problem)
		}
		h.restart()
		h.reboot()
		if r := h.post(code); r.outcome != bad || r.problem.Code != "tried" {
			t.Errorf("after a reboot: outcome %d, %+v; want it refused as tried", r.outcome, r.problem)
		}
		if n := h.sim.Count(lwatest.Exchange); n != 1 {
			t.Errorf("%d exchanges for one code, want one", n)
		}
	})
}

func TestCodeOfTheQRCodeBeforeIsStillGood(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		first := h.signIn() // and the phone is put down
		h.post("this-is-no-code-of-Amazons")
		h.pass(time.Second)
		h.wantError("invalid_grant", "Amazon refused a code")
		if r := h.post(first); r.outcome != done {
			t.Fatalf("the code of the QR code before: %+v", r.problem)
		}
		h.until("linked by it", 10*time.Second, h.is(Linked))
	})
}

func TestCodeIsStillGoodAfterAPowerCutBetweenScanAndDrop(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		qr := h.status().AuthorizeURL
		back := h.signIn()
		h.reboot()
		if h.status().AuthorizeURL != qr {
			t.Error("another QR code after a power cut: the code of the first one needs its verifier")
		}
		h.post(back)
		h.until("linked", time.Second, h.is(Linked))
	})
}

func TestWhatIsNoCodeForThisDeviceIsRefusedAndNothingIsSent(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		qr := h.status().AuthorizeURL
		cancel, err := h.sim.Cancel(qr)
		must(t, err)
		foreign := h.putFile("foreign.txt", "https://localhost:9745/authresponse?code=ANforeigncodeforeign&state="+strings.Repeat("A", 22))
		h.offer()
		if p := h.wantError("foreign_state", "an address of another device"); !strings.Contains(p.Message, "foreign.txt") {
			t.Errorf("%+v, want the file named", p)
		}
		if _, err := os.Stat(foreign); err != nil {
			t.Errorf("the foreign file is gone (%v): it may be another device's, or from the screen before", err)
		}
		must(t, os.Remove(foreign))
		h.pass(time.Second)
		pressed := h.putFile("cancel.txt", cancel)
		h.offer()
		h.wantError("access_denied", "the person pressed Cancel")
		h.wantTaken(pressed, "Cancel", "an address with error=")
		if r := h.post(cancel); r.outcome != bad {
			t.Errorf("Cancel by hand: outcome %d", r.outcome)
		}
		if n := h.sim.Count(lwatest.Exchange); n != 0 {
			t.Errorf("%d exchanges", n)
		}
		if h.status().AuthorizeURL != qr {
			t.Error("refused text changed the QR code: anybody could make it unusable")
		}
		h.post(h.signIn())
		h.until("linked by the same QR code", 5*time.Second, h.is(Linked))
		h.offer() // the spool is empty now
		if h.status().LastError != nil {
			t.Errorf("linked, and the status still says %+v", h.status().LastError)
		}
	})
}

func TestCodeInTheConfigurationIsSentOnceEver(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		cfg := h.cfg
		cfg.Code = lwa.NewSecret(h.signIn())
		h.agent.Reconfigure(t.Context(), cfg)
		h.until("linked by it", 10*time.Second, h.is(Linked))
		h.cfg.Code = cfg.Code
		h.restart()
		h.change(func(id uint64) event { return unlinkAsked{id} })
		h.pass(time.Hour)
		h.reboot()
		h.pass(time.Hour)
		h.wantState(Unlinked, "the code still stands in config.toml")
		if n := h.sim.Count(lwatest.Exchange); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

func TestMissingSecretOfAWebClientIsNamedAtTheExchange(t *testing.T) {
	story(t, lwatest.Options{}, lwatest.PublicClientID, MethodCode, func(t *testing.T, h *house) {
		h.post(h.signIn())
		h.pass(time.Second)
		h.wantState(Unlinked, "no refresh token came")
		if p := h.wantError("no_refresh_token", "a web client without its secret"); !strings.Contains(p.Hint, "Web settings") || !strings.Contains(p.Hint, "client_secret_file") {
			t.Errorf("hint %q; want the tab and the key", p.Hint)
		}
	})
}

func TestAgentThatIsNotAskedAnyMoreStopsWaiting(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.sim.Fail(lwatest.Silent(), -1, lwatest.Refresh)
		h.pass(61 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		var err error
		for err == nil { // a try that fails meanwhile is an answer
			_, _, err = h.agent.goodToken(ctx, 0, time.Hour)
		}
		if time.Since(begin) > time.Second {
			t.Errorf("a program that went away is waited for: %v after %v", err, time.Since(begin))
		}
		h.pass(time.Minute)
		h.wantState(Linked, "nothing came of it")
	})
}
