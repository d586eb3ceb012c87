package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// reconfigure changes the configuration as an edit of config.toml does.
func (h *house) reconfigure(change func(cfg *Config)) {
	h.t.Helper()
	change(&h.cfg)
	h.agent.Reconfigure(h.t.Context(), h.cfg)
	h.pass(0)
}

func TestBrokenEditKeepsTheOldConfigurationAndSaysWhere(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		acc := h.wantToken("linked")
		h.agent.ConfigBroken(errors.New("/etc/lwa-agent/config.toml:7: unknown key clientid; did you mean client_id?"))
		h.pass(2 * time.Hour)
		h.wantState(Linked, "a broken edit")
		p := h.wantError("config", "a broken edit")
		if !strings.Contains(p.Message, "config.toml:7") || !strings.Contains(p.Hint, "before stays in use") {
			t.Errorf("%+v; want the line, and that nothing has changed", p)
		}
		if h.wantToken("hours later") == acc {
			t.Error("nothing was refreshed for two hours")
		}
		h.reconfigure(func(*Config) {})
		h.wantError("", "mended")
	})
}

func TestLinkOfAnotherClientIDIsKeptAndComesBack(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		serial := h.status().SerialNumber
		kept := h.onDisk().Link.Refresh
		h.reconfigure(func(cfg *Config) {
			cfg.Client.ID, cfg.Client.Secret = lwatest.WebClientID, lwa.NewSecret(lwatest.WebClientSecret)
		})
		s := h.wantState(Unlinked, "another client id")
		if s.AuthorizeURL == "" || !strings.Contains(s.AuthorizeURL, lwatest.WebClientID) || !strings.Contains(s.Reason, "another client id") {
			t.Errorf("with another client id: %+v; want its QR code, and that the old link is kept", s)
		}
		if _, r, _ := h.token(0); r.outcome != notLinked {
			t.Errorf("a token of the other client id is handed out: outcome %d", r.outcome)
		}
		h.restart()
		h.wantState(Unlinked, "another client id, after a restart")
		h.reconfigure(func(cfg *Config) { cfg.Client.ID, cfg.Client.Secret = lwatest.MobileClientID, lwa.Secret{} })
		if s := h.wantState(Linked, "the edit was taken back"); s.AuthorizeURL != "" || s.LastError != nil || s.SerialNumber != serial {
			t.Errorf("taken back: %+v; want all as it was", s)
		}
		h.pass(0)
		h.wantToken("the edit was taken back")
		if h.onDisk().Link.Refresh != kept {
			t.Error("the refresh token is another")
		}
	})
}

func TestOtherRegionIsAnotherLink(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.reconfigure(func(cfg *Config) { cfg.Client.Endpoints, _ = lwa.RegionEndpoints("eu") })
		if s := h.wantState(Unlinked, "another token endpoint"); !strings.HasPrefix(s.AuthorizeURL, "https://eu.account.amazon.com/") {
			t.Errorf("authorize URL %q, want that of the new region", s.AuthorizeURL)
		}
		h.link()
		h.pass(2 * time.Hour)
		h.wantToken("in the new region")
	})
}

func TestNewRedirectURIMakesANewQRCode(t *testing.T) {
	const other = "https://localhost:9745/other"
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.sim.AddClient(lwatest.Client{ID: lwatest.MobileClientID, Kind: lwatest.Mobile, ReturnURLs: []string{lwatest.ReturnURL, other}})
		scanned := h.signIn()
		h.reconfigure(func(cfg *Config) { cfg.Client.RedirectURI = other })
		if url := h.status().AuthorizeURL; !strings.Contains(url, "other") {
			t.Errorf("authorize URL %q, want the new redirect_uri in it", url)
		}
		h.post(scanned) // with the redirect_uri that it was asked for with
		h.until("linked by the QR code from before the edit", time.Second, h.is(Linked))
	})
}

func TestMethodChangesWhileALinkIsOffered(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.reconfigure(func(cfg *Config) { cfg.Method, cfg.Client.ID = MethodCBL, lwatest.DeviceClientID })
		h.pairShown()
		if s := h.status(); s.AuthorizeURL != "" || s.Method != MethodCBL {
			t.Errorf("by the code on the screen: %+v", s)
		}
		h.reconfigure(func(cfg *Config) { cfg.Method, cfg.Client.ID = MethodCode, lwatest.MobileClientID })
		if s := h.status(); s.AuthorizeURL == "" || s.UserCode != "" || s.Method != MethodCode {
			t.Errorf("by the authorize URL: %+v", s)
		}
		polls := h.sim.Count(lwatest.Poll)
		h.pass(20 * time.Minute)
		if n := h.sim.Count(lwatest.Poll) - polls; n != 0 {
			t.Errorf("%d polls for a pair that nobody sees any more", n)
		}
		h.link()
	})
}

func TestStateDirectoryChangesAtTheNextStartOnly(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		cfg := h.cfg
		cfg.StateDir += "-elsewhere"
		h.agent.Reconfigure(t.Context(), cfg)
		h.pass(time.Second)
		h.wantState(Linked, "state_dir was edited")
		if p := h.wantError("config", "state_dir was edited"); !strings.Contains(p.Message, "next start") {
			t.Errorf("%+v", p)
		}
		if _, err := os.Stat(cfg.StateDir); err == nil {
			t.Error("the new directory was made")
		}
		h.wantToken("state_dir was edited")
	})
}

func TestTokenFileFollowsTheLinkAndTheConfiguration(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		dir := t.TempDir()
		file, other := TokenFile{Path: filepath.Join(dir, "token"), Mode: 0o640}, TokenFile{Path: filepath.Join(dir, "other"), Mode: 0o600}
		holds := func(f TokenFile) string {
			text, err := os.ReadFile(f.Path)
			if os.IsNotExist(err) {
				return ""
			}
			must(t, err)
			if st, err := os.Stat(f.Path); err != nil || st.Mode() != f.Mode {
				t.Errorf("%s has mode %v (%v), want %v", f.Path, st.Mode(), err, f.Mode)
			}
			return strings.TrimSuffix(string(text), "\n")
		}
		h.reconfigure(func(cfg *Config) { cfg.TokenFiles = []TokenFile{file} })
		if got := holds(file); got != "" {
			t.Fatal("a token file of a device that is not linked")
		}
		h.link()
		for range 4 {
			if got := holds(file); got != h.wantToken("linked").Token.Reveal() {
				t.Error("the file holds another token than is handed out")
			}
			h.pass(31 * time.Minute)
		}
		h.reconfigure(func(cfg *Config) { cfg.TokenFiles = []TokenFile{other} })
		if holds(other) == "" {
			t.Error("a token file that was added is not written before the next refresh")
		}
		if holds(file) != "" {
			t.Error("a token file that was taken out of the configuration still lies there, with a token in it")
		}
		h.sim.RemoveApp()
		h.until("removed", 46*time.Minute, h.is(Unlinked))
		if holds(other) != "" {
			t.Error("the token file is there after the removal")
		}
	})
}

func TestTokenFileOfAKilledAgentIsTakenBack(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.cfg.TokenFiles = []TokenFile{{Path: filepath.Join(t.TempDir(), "token"), Mode: 0o600}}
		h.restart()
		h.link()
		h.kill()
		must(t, os.RemoveAll(h.cfg.StateDir)) // as if it was unlinked and killed before the file was removed
		h.powerOn()
		h.wantState(Unlinked, "there is no link")
		if _, err := os.Stat(h.cfg.TokenFiles[0].Path); !os.IsNotExist(err) {
			t.Errorf("a device that is not linked leaves a token file with an old token (%v)", err)
		}
	})
}

// A kill in the middle of a write leaves a token under another name.
func TestHalfATokenFileOfAKilledAgentIsTakenBack(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		dir := t.TempDir()
		path := filepath.Join(dir, "token")
		wantAlone := func(why string) {
			t.Helper()
			left, err := filepath.Glob(filepath.Join(dir, ".*")) // and not those that are meant to be there
			must(t, err)
			if len(left) != 0 {
				t.Errorf("%s: %v, with a token in it", why, left)
			}
		}
		h.cfg.TokenFiles = []TokenFile{{Path: path, Mode: 0o600}}
		h.restart()
		h.link()
		h.kill()
		must(t, os.WriteFile(unfinished(path), []byte("Atza|half"), 0o600))
		h.powerOn()
		wantAlone("after a start")
		must(t, os.WriteFile(unfinished(path), []byte("Atza|half"), 0o600))
		h.pass(46 * time.Minute)
		h.wantToken("refreshed")
		wantAlone("after a write")
		must(t, os.WriteFile(unfinished(path), []byte("Atza|half"), 0o600))
		h.change(func(id uint64) event { return unlinkAsked{id} })
		wantAlone("after unlink")
	})
}
