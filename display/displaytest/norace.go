//go:build !race

package displaytest

const racing = false
