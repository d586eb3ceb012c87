package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestConsoleIsGivenBackBesideAMistake: the display process draws on what it can
// read of a faulty file, so that a crash leaves a code there.
func TestConsoleIsGivenBackBesideAMistake(t *testing.T) {
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	defer tty.Close()
	path := filepath.Join(t.TempDir(), "config.toml")
	text := fmt.Sprintf("[[display]]\ndevice = \"/dev/null\"\n[[display]]\ndriver = \"terminal\"\ndevice = %q\n", tty.Name())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{configPath: path}
	if err := a.giveBackDisplays(func(string) string { return "success" }); err != nil {
		t.Errorf("after an orderly end: %v", err)
	}
	err = a.giveBackDisplays(func(string) string { return "signal" })
	if err == nil || !strings.Contains(err.Error(), "has no driver") {
		t.Errorf("it says %v, want what is wrong with the file, too", err)
	}
	if err := terminal.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	left := make([]byte, 100)
	n, err := terminal.Read(left)
	if !strings.HasSuffix(string(left[:n]), "\x1b[2J\x1b[H\x1b[?25h") {
		t.Errorf("the console gets %q (%v); want it empty and with its cursor", left[:n], err)
	}
}
