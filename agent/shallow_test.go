//go:build !deep

package agent

import "testing"

const (
	deep         = false
	defaultKills = 30
)

// builtBinary: this test binary does as the agent's process, and needs no build.
func builtBinary(*testing.T) string { return "" }

func (p *process) beginBuilt() { p.t.Fatal("there is no binary") }
