package panel

import (
	"os"
	"path/filepath"
	"testing"
)

// TestConsoleOfTheHostIsNotOurs: in a container /sys names the console of the
// host, whose node is not there. A display that cannot be is not to be reported
// as one that is broken.
func TestConsoleOfTheHostIsNotOurs(t *testing.T) {
	t.Parallel()
	sys, dev := filepath.Join(t.TempDir(), "active"), t.TempDir()
	if got, err := consoleOf(sys, dev); err == nil {
		t.Errorf("a kernel without consoles has one, %q", got)
	}
	if err := os.WriteFile(sys, []byte("tty1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := consoleOf(sys, dev); err == nil {
		t.Errorf("%s is given out as found, and is not there", got)
	}
	node := filepath.Join(dev, "tty1")
	if err := os.WriteFile(node, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := consoleOf(sys, dev); err != nil || got != node {
		t.Errorf("the console is %q, %v; want %s", got, err, node)
	}
}
