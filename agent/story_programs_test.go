package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwa-agent/lwa/lwatest"
)

// TestEachChangeOfStateIsOneLine of the log, whose fields are what journalctl
// finds; a device that works for days says nothing.
func TestEachChangeOfStateIsOneLine(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		changes := func() (all []string) {
			for text := range strings.Lines(h.log.String()) {
				if strings.Contains(text, " state=") {
					_, change, _ := strings.Cut(text, " state=")
					all = append(all, strings.TrimSpace(change))
				}
			}
			return all
		}
		want := func(why string, wanted ...string) {
			t.Helper()
			if got := changes(); fmt.Sprint(got) != fmt.Sprint(wanted) {
				t.Errorf("%s, the log has\n%s\nwant\n%s", why, strings.Join(got, "\n"), strings.Join(wanted, "\n"))
			}
		}
		first := `unlinked method=code reason="not linked yet"`
		want("at the start", first)
		h.link()
		linking := `linking was=unlinked method=code reason="a code was received; asking Amazon"`
		linked := `linked was=linking method=code`
		want("linked", first, linking, linked)
		h.pass(48 * time.Hour)
		want("two days later", first, linking, linked)
		h.sim.RemoveApp()
		h.until("removed", 50*time.Minute, h.is(Unlinked))
		h.pass(time.Minute / 2)
		want("removed", first, linking, linked, `unlinked was=linked method=code reason="removed in the Amazon account"`)
	})
}

// ends reads both files of a token file as a program does.
func ends(t *testing.T, f TokenFile) (token string, end time.Time) {
	t.Helper()
	text, err := os.ReadFile(f.Path)
	must(t, err)
	until, err := os.ReadFile(f.Path + ExpiresSuffix)
	must(t, err)
	end, err = time.Parse(time.RFC3339, strings.TrimSuffix(string(until), "\n"))
	must(t, err)
	if !strings.HasSuffix(string(until), "Z\n") {
		t.Errorf("%q is not in UTC: a shell compares such texts", until)
	}
	for _, path := range []string{f.Path, f.Path + ExpiresSuffix} {
		if st, err := os.Stat(path); err != nil || st.Mode() != f.Mode {
			t.Errorf("%s has mode %v (%v), want %v", path, st.Mode(), err, f.Mode)
		}
	}
	return string(text), end
}

func TestEndOfTheTokenStandsBesideTheTokenFile(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		f := TokenFile{Path: filepath.Join(t.TempDir(), "token"), Mode: 0o640}
		h.reconfigure(func(cfg *Config) { cfg.TokenFiles = []TokenFile{f} })
		h.link()
		token, end := ends(t, f)
		if left := time.Until(end); left > time.Hour || left < 59*time.Minute {
			t.Errorf("good for %s by the file, want what is left of the hour, and not more", left)
		}
		h.pass(46 * time.Minute)
		next, later := ends(t, f)
		if next == token || !later.After(end) {
			t.Errorf("after a refresh it ends at %s, before at %s", later, end)
		}
		h.sim.RemoveApp()
		h.until("removed", 50*time.Minute, h.is(Unlinked))
		for _, path := range []string{f.Path, f.Path + ExpiresSuffix} {
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("%s is there after the removal (%v)", path, err)
			}
		}
	})
}

// TestTokenThatCannotBeWrittenHasNoEnd: an older one would be called good for longer
// than it is.
func TestTokenThatCannotBeWrittenHasNoEnd(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		f := TokenFile{Path: filepath.Join(t.TempDir(), "token"), Mode: 0o600}
		must(t, os.Mkdir(f.Path, 0o700)) // which no file can take the place of
		must(t, os.WriteFile(f.Path+ExpiresSuffix, []byte("2026-01-01T00:00:00Z\n"), 0o600))
		h.reconfigure(func(cfg *Config) { cfg.TokenFiles = []TokenFile{f} })
		h.wantError("token_file", "a directory is in the way")
		if text, err := os.ReadFile(f.Path + ExpiresSuffix); !os.IsNotExist(err) {
			t.Errorf("the end beside it is %q (%v)", text, err)
		}
	})
}

// TestEndInTheTokenFileFollowsTheClock: a Pi boots in the past, and its clock is
// set when the network is up. The token's file is no other for that.
func TestEndInTheTokenFileFollowsTheClock(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		f := TokenFile{Path: filepath.Join(t.TempDir(), "token"), Mode: 0o600}
		h.reconfigure(func(cfg *Config) { cfg.TokenFiles = []TokenFile{f} })
		h.link()
		_, end := ends(t, f)
		before, err := os.Stat(f.Path)
		must(t, err)
		// The clock of a bubble cannot be set. As far as the file is concerned, one that
		// is set by a year is as one whose agent told the end by the wrong one.
		synctest.Wait()
		h.agent.jobs <- func() {
			h.agent.toldEnd = end.AddDate(-1, 0, 0)
			must(t, f.writeEnd(h.agent.toldEnd))
		}
		h.pass(31 * time.Second)
		_, told := ends(t, f)
		after, err := os.Stat(f.Path)
		must(t, err)
		if !told.Equal(end) {
			t.Errorf("the file says %s, want %s by the clock that is right now", told, end)
		}
		if !os.SameFile(before, after) {
			t.Error("the token was written anew, and who watches its file woken for nothing")
		}
	})
}
