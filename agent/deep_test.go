//go:build deep

package agent

// deep tests take minutes: .ci/run has a section for them.
const deep = true

const defaultKills = 500
