//go:build !deep

package agent

const deep = false
