package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/cmd/internal/cli"
	"lwa-agent/cmd/internal/config"
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

// written has all pages in a directory.
func written(t *testing.T) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	if err := run([]string{"-version", "1.2", "-date", "2026-01-02", dir}); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d pages (%v)", len(paths), err)
	}
	return paths
}

func TestManHasNothingToWarnOf(t *testing.T) {
	tool(t, "man", "man-db")
	for _, path := range written(t) {
		// As Debian's lintian asks it.
		c := exec.CommandContext(t.Context(), "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path)
		c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80")
		var said bytes.Buffer
		c.Stderr = &said
		if err := c.Run(); err != nil || said.Len() > 0 {
			t.Errorf("%s: %v\n%s", filepath.Base(path), err, said.String())
		}
	}
}

func TestMandocHasNothingToWarnOf(t *testing.T) {
	tool(t, "mandoc", "mandoc")
	c := exec.CommandContext(t.Context(), "mandoc", append([]string{"-Tlint", "-Wwarning"}, written(t)...)...)
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// rendered is a page as people read it.
func rendered(t *testing.T, path string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "man", "--nh", "--nj", "-l", path)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=100", "MANPAGER=cat", "MAN_KEEP_FORMATTING=", "GROFF_NO_SGR=1")
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestPagesSayWhatTheHelpSays: a page made by a rule that no longer fits would lose
// a part of it, and nobody would miss it.
func TestPagesSayWhatTheHelpSays(t *testing.T) {
	tool(t, "man", "man-db")
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	pages := map[string]string{}
	for _, path := range written(t) {
		pages[filepath.Base(path)] = words(rendered(t, path))
	}
	root := cli.Commands(cli.Streams{})
	for _, c := range commandsOf(root) {
		text, has := pages[pageOf(c)+".1"]
		if !has {
			t.Errorf("%s has no page", c.CommandPath())
		}
		if !strings.Contains(pages["lwa-agent.1"], c.Short) {
			t.Errorf("lwa-agent(1) does not tell what %s does", c.Name())
		}
		parts := strings.Split(c.Long+"\n\n"+c.Example+"\n\n"+c.UseLine(), "\n")
		for line := range strings.Lines(c.NonInheritedFlags().FlagUsages()) {
			parts = append(parts, strings.SplitN(strings.TrimSpace(line), "  ", 2)...)
		}
		for _, part := range parts {
			if part = words(part); !strings.Contains(text, part) {
				t.Errorf("%s(1) lacks %q", pageOf(c), part)
			}
		}
	}
	for line := range strings.Lines(config.Example) {
		if line = words(line); !strings.Contains(pages["lwa-agent-config.5"], line) {
			t.Errorf("lwa-agent-config(5) lacks %q", line)
		}
	}
	for _, p := range problems {
		if !strings.Contains(pages["lwa-agent-errors.7"], words(p.Means+" "+p.Cure)) {
			t.Errorf("lwa-agent-errors(7) lacks %s", p.Code)
		}
	}
}
