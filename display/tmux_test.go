package display_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// pane is a window of tmux: a real terminal, with somebody else's opinion of
// what our escape sequences mean.
type pane struct {
	socket, tty   string
	columns, rows int
}

func openPane(t *testing.T, columns, rows int) pane {
	t.Helper()
	displaytest.NeedTool(t, "tmux", "tmux")
	p := pane{socket: filepath.Join(t.TempDir(), "tmux"), columns: columns, rows: rows}
	p.tmux(t, "new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), "exec sleep 600",
		";", "set", "-g", "status", "off")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", p.socket, "kill-server").Run() })
	p.tty = strings.TrimSpace(string(p.tmux(t, "display-message", "-p", "#{pane_tty}")))
	return p
}

func (p pane) tmux(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "tmux", append([]string{"-u", "-f", "/dev/null", "-S", p.socket}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=xterm-256color", "TMUX=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return out
}

// capture waits until text stands in the pane and nothing more comes.
func (p pane) capture(t *testing.T, text string) displaytest.Picture {
	t.Helper()
	var before []byte
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		// Without -N the blanks of the quiet zone would be cut off.
		now := bytes.TrimSuffix(p.tmux(t, "capture-pane", "-e", "-p", "-N"), []byte("\n"))
		picture, err := displaytest.Replay(now, p.columns, p.rows)
		if err != nil {
			t.Fatalf("tmux shows more than colours and text: %v", err)
		}
		if bytes.Equal(now, before) && strings.Contains(picture.Text(), text) {
			return picture
		}
		before = now
	}
	t.Fatalf("%q does not stand in the pane after 20 s:\n%s", text, before)
	return displaytest.Picture{}
}

func (p pane) draw(t *testing.T, s display.Screen) (shows string) {
	t.Helper()
	d, err := display.OpenTerminal(p.tty)
	if err != nil {
		t.Fatal(err)
	}
	shows, err = d.Draw(s)
	if err != nil {
		t.Fatal(err)
	}
	return shows
}

// TestTmuxAndZbarimg draws in a real terminal and reads with a decoder of
// another family. The pictures stay with go test -artifacts.
func TestTmuxAndZbarimg(t *testing.T) {
	displaytest.NeedTool(t, "zbarimg", "zbar-tools")
	for _, at := range []struct {
		name          string
		columns, rows int
		screen        display.Screen
	}{
		{"pair", 80, 24, pair()},
		{"authorize", 132, 43, offer(t, 469)},
	} {
		pane := openPane(t, at.columns, at.rows)
		shows := pane.draw(t, at.screen)
		picture := pane.capture(t, at.screen.Title)
		for theme, colours := range map[string]displaytest.Theme{"dark": displaytest.Dark(), "light": displaytest.Light()} {
			path := filepath.Join(t.ArtifactDir(), at.name+"-"+theme+".png")
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := displaytest.PNG().Encode(file, picture.Image(colours, 8)); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			if got, want := displaytest.Zbarimg(t, path), at.screen.Payloads[0].Text; got != want {
				t.Errorf("%dx%d, %s theme, %s: zbarimg reads %q, want %q", at.columns, at.rows, theme, shows, got, want)
			}
		}
	}
}

func TestTmuxCopiesTheAddressInOnePiece(t *testing.T) {
	pane := openPane(t, 80, 24)
	s := offer(t, 469)
	pane.draw(t, s)
	pane.capture(t, "81x42")
	joined := pane.tmux(t, "capture-pane", "-p", "-J") // as a selection is joined
	for line := range strings.Lines(string(joined)) {
		if strings.TrimSpace(line) == s.Address {
			return
		}
	}
	t.Errorf("the address cannot be copied in one piece from:\n%s", joined)
}
