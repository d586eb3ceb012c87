package shell

import (
	"os/exec"
	"testing"
)

// TestWordIsOneWordOfARealShell: what a person pastes must do what it says and
// nothing else.
func TestWordIsOneWordOfARealShell(t *testing.T) {
	for _, text := range []string{"", "a", "/var/lib/lwa-agent", "/my images/root", "it's", "$(touch x)", "`id`", "a;b", "~", "-n", "a\nb", "*", "x=1", "é"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s|' `+Word(text)).Output()
		if err != nil || string(out) != text+"|" {
			t.Errorf("%q is written %s, and a shell takes it for %q (%v)", text, Word(text), out, err)
		}
	}
	if got := Word("/var/lib/lwa-agent"); got != "/var/lib/lwa-agent" {
		t.Errorf("a usual path is written %s; quotes that are not needed only puzzle", got)
	}
}
