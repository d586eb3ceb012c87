package systemd

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	core      = "lwa-agent.service"
	display   = "lwa-agent-display.service"
	provision = "lwa-agent-provision.service"
)

// tool skips a test, and says so, where a program is missing; but not in CI,
// where a skipped test would be taken for a passed one.
func tool(t *testing.T, name, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install %s", name, debianPackage)
	}
	t.Skipf("SKIPPED, NOTHING TESTED: %s is missing: apt-get install %s", name, debianPackage)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// verifiable copies the units to a directory with the drop-in for a console,
// and with this test's own binary as the program, since systemd-analyze wants
// it to be there.
func verifiable(t *testing.T, unit string, dropIns ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{core, display, provision} {
		text := strings.ReplaceAll(read(t, name), "ExecStart=/usr/bin/lwa-agent ", "ExecStart="+self+" ")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range dropIns {
		where := filepath.Join(dir, unit+".d")
		if err := os.MkdirAll(where, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(where, name), []byte(read(t, name)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, unit)
}

func TestVerifyHasNothingToSay(t *testing.T) {
	tool(t, "systemd-analyze", "systemd")
	for name, unit := range map[string]string{
		"core":                       verifiable(t, core),
		"display":                    verifiable(t, display),
		"display, with a console":    verifiable(t, display, "console.conf"),
		"provision":                  verifiable(t, provision),
		"core, with state elsewhere": verifiable(t, core, "state.conf"),
		"core, encrypted":            verifiable(t, core, "encrypt.conf"),
	} {
		// It ends with 0 for unknown keys and wrong values: its words are what counts.
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "--man=no", "verify", unit).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: systemd-analyze verify is to be silent: %v\n%s", name, err, out)
		}
	}
}

func TestVerifyNoticesAnUnknownKey(t *testing.T) {
	tool(t, "systemd-analyze", "systemd")
	unit := verifiable(t, core)
	if err := os.WriteFile(unit, []byte(read(t, unit)+"[Service]\nNoSuchKey=yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "--man=no", "verify", unit).CombinedOutput()
	if err == nil && len(out) == 0 {
		t.Error("an unknown key passed unnoticed, so the test above proves nothing")
	}
}

func TestSandboxScores(t *testing.T) {
	tool(t, "systemd-analyze", "systemd")
	for _, u := range []struct {
		unit  string
		limit string // ten times the score
	}{
		{core, "16"},
		{display, "4"},
		{provision, "14"},
	} {
		score := func(limit, unit string) (string, error) {
			out, err := exec.CommandContext(t.Context(), "systemd-analyze", "--no-pager", "security", "--offline=yes", "--threshold="+limit, unit).CombinedOutput()
			lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
			return string(lines[len(lines)-1]), err
		}
		said, err := score(u.limit, verifiable(t, u.unit))
		if err != nil {
			t.Errorf("%s is more exposed than a tenth of %s: %s (%v)", u.unit, u.limit, said, err)
		}
		t.Log(said)
		if _, err := score("1", verifiable(t, u.unit)); err == nil {
			t.Errorf("%s passes with a limit of 0.1 as well, so the limit is not looked at", u.unit)
		}
	}
}

// TestEachLineHasAReason: a sandbox line that nobody can explain is one that
// nobody dares to change.
func TestEachLineHasAReason(t *testing.T) {
	for _, name := range []string{core, display, provision, "console.conf", "state.conf", "encrypt.conf", "tmpfiles.conf", "sysusers.conf"} {
		explained, directives := false, 0
		for number, line := range strings.Split(read(t, name), "\n") {
			switch {
			case strings.HasPrefix(line, "#"):
				explained = true
			case line == "":
				explained = false // a comment speaks for the lines that follow it, no further than a blank one
			case strings.HasPrefix(line, "["):
			default:
				directives++
				if !explained && !speaksForItself(line) {
					t.Errorf("%s:%d: %s has no reason above it", name, number+1, line)
				}
			}
		}
		if directives == 0 {
			t.Errorf("%s: nothing found to check", name)
		}
	}
}

func speaksForItself(line string) bool {
	key, _, _ := strings.Cut(line, "=")
	switch key {
	case "Description", "Documentation", "Type", "ExecStart", "Restart", "WantedBy":
		return true
	}
	return false
}

// value returns the value of a key, of the last line that sets it.
func value(unit, key string) string {
	found := ""
	for line := range strings.Lines(unit) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && k == key {
			found = v
		}
	}
	return found
}

func TestUnitsFitTheAgent(t *testing.T) {
	coreUnit, displayUnit := read(t, core), read(t, display)
	for _, want := range []struct{ unit, key, value, reason string }{
		{coreUnit, "RuntimeDirectoryPreserve", "restart", "or a restart of the agent costs a call to Amazon"},
		{coreUnit, "Restart", "always", "whatever ended it, nobody stands by to start it"},
		{displayUnit, "Restart", "always", "whatever ended it, nobody stands by to start it"},
		{coreUnit, "RestartPreventExitStatus", "", "there is no end that is for good"},
		{coreUnit, "TimeoutStopSec", "20s", "an answer of Amazon's under way is waited for 5 s and saved"},
		{coreUnit, "LimitCORE", "0", "a core dump holds the tokens"},
		{coreUnit, "MemorySwapMax", "0", "swap is a disk"},
		{coreUnit, "MemoryMax", "96M", "a leak ends the agent and not the device"},
		{coreUnit, "LoadCredential", "client_secret:lwa-agent.client_secret", "a path that is missing would stop a public client (243)"},
		{coreUnit, "StateDirectoryMode", "0700", "the refresh token lies there"},
		{coreUnit, "RuntimeDirectoryMode", "0755", "the display process has to reach events.sock"},
		{coreUnit, "WatchdogSec", "90s", "the loop feeds it every 30 s"},
		{coreUnit, "StartLimitIntervalSec", "0", "after five starts it would stay down for ever"},
		{displayUnit, "StartLimitIntervalSec", "0", "after five starts it would stay down for ever"},
		{coreUnit, "ConditionPathExists", "/etc/lwa-agent/config.toml", "a fresh install must not fail"},
		{displayUnit, "ConditionPathExists", "/etc/lwa-agent/config.toml", "a fresh install must not fail"},
		{displayUnit, "PrivateNetwork", "yes", "it has devices and no network"},
		{displayUnit, "StandardInput", "", "a panel on two wires must not cost the login console"},
		{coreUnit, "PrivateUsers", "", "every caller would be nobody, and nobody may ask"},
		{coreUnit, "RestartSteps", "", "systemd 252 does not know it and says so at every boot"},
	} {
		if got := value(want.unit, want.key); got != want.value {
			t.Errorf("%s=%s, want %q: %s", want.key, got, want.value, want.reason)
		}
	}
	if !strings.Contains(coreUnit, "\nEnvironment=GOMEMLIMIT=40MiB\n") {
		t.Error("GOMEMLIMIT is not below MemoryHigh: garbage would be collected after the kernel slows the agent down")
	}
	if deny, allow := strings.Index(coreUnit, "SystemCallFilter=~"), strings.Index(coreUnit, "SystemCallFilter=@chown"); deny < 0 || allow < deny {
		t.Error("@chown has to be allowed after the line that denies it with @privileged; the order decides")
	}
}

// TestEveryGroupOfTheUnitsIsMade: systemd starts no unit with a group that does
// not exist (216/GROUP), and Debian has neither i2c, spi nor gpio.
func TestEveryGroupOfTheUnitsIsMade(t *testing.T) {
	made := map[string]bool{}
	for line := range strings.Lines(read(t, "sysusers.conf")) {
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "g" || f[0] == "u") {
			made[f[1]] = true
		}
	}
	for _, name := range []string{core, display} {
		unit := read(t, name)
		groups := append(strings.Fields(value(unit, "SupplementaryGroups")), value(unit, "User"), value(unit, "Group"))
		for _, group := range groups {
			if !made[group] {
				t.Errorf("%s names %q, which sysusers.conf does not make", name, group)
			}
		}
	}
}

func TestUsersAndDirectoriesAsSystemdMakesThem(t *testing.T) {
	tool(t, "systemd-sysusers", "systemd")
	tool(t, "systemd-tmpfiles", "systemd")
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("only root may give directories away; run the tests as root")
	default:
		t.Skip("SKIPPED, NOTHING TESTED: only root may give directories away")
	}
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"systemd-sysusers", "--root=" + root, "sysusers.conf"},
		{"systemd-tmpfiles", "--root=" + root, "--create", "tmpfiles.conf"},
	} {
		path, err := filepath.Abs(command[len(command)-1])
		if err != nil {
			t.Fatal(err)
		}
		command[len(command)-1] = path
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	drop, err := os.Stat(filepath.Join(root, "var/spool/lwa-agent"))
	if err != nil {
		t.Fatal(err)
	}
	if got := drop.Mode(); got != os.ModeDir|os.ModeSetgid|os.ModeSticky|0o770 {
		t.Errorf("the drop directory is %v; setgid gives files the group, sticky keeps others' hands off them", got)
	}
	users := read(t, filepath.Join(root, "etc/passwd"))
	groups := read(t, filepath.Join(root, "etc/group"))
	if _, members, _ := strings.Cut(groups, "lwa-agent-display:x:"); !strings.HasSuffix(strings.SplitN(members, "\n", 2)[0], ":lwa-agent") {
		t.Errorf("the agent is no member of lwa-agent-display, so it cannot give that group events.sock:\n%s", groups)
	}
	for _, user := range []string{"lwa-agent:", "lwa-agent-display:"} {
		if !strings.Contains(users, user) {
			t.Errorf("no user %s in\n%s", user, users)
		}
	}
}

// TestACLsAreOfSystemd252: that of Debian 12 knows no conditional X (tmpfiles.d(5)),
// and leaves the whole line out, with a complaint at each installation and boot.
func TestACLsAreOfSystemd252(t *testing.T) {
	entries := 0
	for line := range strings.Lines(read(t, "tmpfiles.conf")) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "a") {
			continue
		}
		for entry := range strings.SplitSeq(fields[len(fields)-1], ",") {
			entries++
			if mode := entry[strings.LastIndex(entry, ":")+1:]; strings.Trim(mode, "rwx-") != "" {
				t.Errorf("%s: systemd 252 does not take the mode %s, so a code that is dropped with umask 077 could not be read", entry, mode)
			}
		}
	}
	if entries == 0 {
		t.Error("no ACL found in tmpfiles.conf to check")
	}
}

func TestMaintainerScriptsAreShell(t *testing.T) {
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		script := filepath.Join("deb", name)
		out, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Errorf("%s: %v\n%s", script, exit, out)
		} else if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(read(t, script), "set -e") {
			t.Errorf("%s goes on after a failure", script)
		}
	}
}

// TestImageGetsWhatThePackageHas: the list of the package and that of "lwa-agent
// install" are two, and nobody would notice for a year that one lacks a file. The
// boot test compares the two results byte by byte.
func TestImageGetsWhatThePackageHas(t *testing.T) {
	// Made by the program, or by package.sh of what no binary holds.
	others := map[string]bool{
		"usr/bin/lwa-agent": true, "usr/share/bash-completion/completions/lwa-agent": true, "usr/share/zsh/vendor-completions/_lwa-agent": true,
		"usr/share/fish/vendor_completions.d/lwa-agent.fish": true, "usr/share/doc/lwa-agent/config.example.toml": true,
		"usr/share/doc/lwa-agent/README.md": true, "usr/share/doc/lwa-agent/copyright": true, "usr/share/doc/lwa-agent/changelog.gz": true,
		"usr/share/lintian/overrides/lwa-agent": true, "usr/share/doc/lwa-agent/errors.md": true,
		"usr/share/man/man1/": true, "usr/share/man/man5/": true, "usr/share/man/man7/": true,
	}
	for _, path := range examples(t) { // to be read and copied by people; every device would pay for them in the binary
		others["usr/share/doc/lwa-agent/examples/"+filepath.Base(path)] = true
	}
	image := map[string]string{}
	for _, f := range Files() {
		image[f.Path] = f.Text
	}
	src := ""
	for line := range strings.Lines(read(t, "nfpm.yaml")) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "- src: "); ok {
			src = name
		}
		dst, ok := strings.CutPrefix(line, "dst: /")
		if !ok {
			continue
		}
		if strings.HasPrefix(dst, "lib/") {
			dst = "usr/" + dst
		}
		text, has := image[dst]
		delete(image, dst)
		switch {
		case others[dst]:
			delete(others, dst)
		case !has:
			t.Errorf("the package has %s, an image would not", dst)
		case text == "" || text != read(t, filepath.Join("..", src)):
			t.Errorf("%s is another in an image than in the package", dst)
		}
	}
	for name := range image {
		t.Errorf("an image gets %s, the package does not have it", name)
	}
	for name := range others {
		t.Errorf("%s is not in the package any more", name)
	}
}
