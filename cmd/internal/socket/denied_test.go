package socket

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDeniedSocketNamesTheGroupToJoin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	if err := os.WriteFile(path, nil, 0o660); err != nil {
		t.Fatal(err)
	}
	if got := joinGroup("424242", 0o660, false); !strings.HasPrefix(got, "join the group with: sudo usermod -aG 424242 ") || !strings.HasSuffix(got, ", then log in again") {
		t.Errorf("cure %q, want the command that joins the group", got)
	}
	if got := joinGroup("424242", 0o660, true); !strings.Contains(got, "usermod") || !strings.HasSuffix(got, " in an [[access]] of config.toml") {
		t.Errorf("cure %q, want the rule as well: not everybody who needs a token should have all that the group has", got)
	}
	if got := joinGroup("0", 0o660, true); got != "" {
		t.Errorf("cure %q: nobody should join the group root", got)
	}
	if got := joinGroup("424242", 0o700, true); got != "" {
		t.Errorf("cure %q: joining a group that may not either does not help", got)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := denied(path).Error(), "only root may use "+path+"; use sudo"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	if got := cureOfDenied(path); strings.Contains(got, "usermod") {
		t.Errorf("cure %q: the user is in that group already, and would join it in vain", got)
	}
}
