package agent

import (
	"os/exec"
	"testing"
)

// TestShellWordIsOneWordOfARealShell: what a person pastes must do what it says and
// nothing else.
func TestShellWordIsOneWordOfARealShell(t *testing.T) {
	for _, text := range []string{"", "a", "/var/lib/lwa-agent", "/my images/root", "it's", "$(touch x)", "`id`", "a;b", "~", "-n", "a\nb", "*", "x=1", "é"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s|' `+ShellWord(text)).Output()
		if err != nil || string(out) != text+"|" {
			t.Errorf("%q is written %s, and a shell takes it for %q (%v)", text, ShellWord(text), out, err)
		}
	}
	if got := ShellWord("/var/lib/lwa-agent"); got != "/var/lib/lwa-agent" {
		t.Errorf("a usual path is written %s; quotes that are not needed only puzzle", got)
	}
}
