// Package harness has what the tests of several packages need of the machine that
// they run on: namespaces of their own, and a way to say what is not there.
package harness

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Missing skips a test for want of something, and fails it with CI=true: there
// all must be there.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(skipped + what)
}

// NoRaceSleep in the environment has a process with the race detector end without
// the second that the detector gives its goroutines to race in.
const NoRaceSleep = "GORACE=atexit_sleep_ms=0"

const skipped = "SKIPPED, NOT TESTED: "

// Namespaces are a user, mount and network namespace of its own, in which a test
// may mount, set limits and bring a network up, whoever runs it: it is root there
// (user_namespaces(7)).
func Namespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
}

// A Place is where a test runs again.
type Place struct {
	Attr  *syscall.SysProcAttr
	Env   []string // added to ours
	Flags []string // of the test binary
}

// Again runs the test in a process of its own and reports whether this is that
// one: who gets false returns. What the other prints as FIGURE, and what it
// misses, is the test's.
func Again(t *testing.T, where Place) bool {
	t.Helper()
	const mark = "LWA_AGENT_TEST_AGAIN"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, append([]string{"-test.run=^" + t.Name() + "$", "-test.v"}, where.Flags...)...)
	cmd.Env = append(append(os.Environ(), mark+"="+t.Name(), NoRaceSleep), where.Env...)
	cmd.SysProcAttr = where.Attr
	out, err := cmd.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		Missing(t, "no process with namespaces of its own is to be had here: "+err.Error())
	}
	if err != nil {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if text, figure := strings.CutPrefix(strings.TrimSpace(line), "FIGURE "); figure {
			t.Log(text)
		} else if _, why, is := strings.Cut(line, skipped); is {
			Missing(t, strings.TrimSpace(why))
		}
	}
	return false
}
