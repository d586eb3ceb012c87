//go:build !deep

package agent

import (
	"flag"
	"os"
	"testing"
)

const (
	deep         = false
	defaultKills = 30
)

// TestMain has three of the parallel tests at once: many wait more than they work.
// -parallel still wins.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "3"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// builtBinary: this test binary does as the agent's process, and needs no build.
func builtBinary(*testing.T) string { return "" }

func (p *process) beginBuilt() { p.t.Fatal("there is no binary") }
