//go:build boottest

package boottest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// inside prepares a command that runs as root in the machine.
func (m *machine) inside(ctx context.Context, args ...string) *exec.Cmd {
	enter := []string{"-t", strconv.Itoa(m.leader()), "-m", "-u", "-i", "-n", "-p", "-C", "--"}
	c := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=xterm"}
	return c
}

// run runs a command in the machine and returns what it printed, standard error
// included. Half a minute is the limit of all of them.
func (m *machine) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
	defer cancel()
	out, err := m.inside(ctx, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is run for a command that has to succeed.
func (m *machine) must(args ...string) string {
	m.t.Helper()
	out, err := m.run(args...)
	if err != nil {
		m.t.Fatalf("in the machine, %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// as runs a shell command as a user, who logs in for it: with the groups of the
// user data base. What the user types comes by its standard input, since command
// lines end up in the journal.
func (m *machine) as(user, command string, types ...string) (string, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), 30*time.Second)
	defer cancel()
	c := m.inside(ctx, "runuser", "-u", user, "--", "sh", "-c", "cd && "+command)
	c.Stdin = strings.NewReader(strings.Join(types, ""))
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (m *machine) mustAs(user, command string, types ...string) string {
	m.t.Helper()
	out, err := m.as(user, command, types...)
	if err != nil {
		m.t.Fatalf("%s in the machine, %s: %v\n%s", user, command, err, out)
	}
	return out
}

// path returns a path of the running machine as the host can open it; unlike
// the root directory this shows /run, too.
func (m *machine) path(inside string) string {
	return fmt.Sprintf("/proc/%d/root%s", m.leader(), inside)
}

// write makes a file in the running machine.
func (m *machine) write(path, text string) {
	m.t.Helper()
	where := m.path(path)
	if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(where, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// property returns one of a unit's, such as StatusText.
func (m *machine) property(unit, name string) string {
	m.t.Helper()
	return m.must("systemctl", "show", unit, "--property", name, "--value")
}

// journal returns what journalctl shows, or why it does not.
func (m *machine) journal(args ...string) string {
	out, err := m.run(append([]string{"journalctl", "--no-pager", "-o", "short-monotonic"}, args...)...)
	if err != nil {
		return fmt.Sprintf("(%v) %s", err, out)
	}
	return out
}
