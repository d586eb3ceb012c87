//go:build machinetest

package machinetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lwa-agent/systemd/debiantest"
)

// An apt loads packages of an architecture, and installs none.
type apt struct {
	t       *testing.T
	options []string
}

// aptFor is this host's apt, or one for another architecture, with lists of its
// own from the Debian servers that the host knows.
func aptFor(t *testing.T, arch string) apt {
	t.Helper()
	a := apt{t, []string{"-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"}}
	if arch == debiantest.Native() {
		return a
	}
	servers := debiantest.Run(t, "apt-get", "indextargets", "--format", "deb [arch="+arch+"] $(REPO_URI) $(RELEASE) main", "Origin: Debian", "Identifier: Packages")
	if servers == "" {
		t.Fatal("apt knows no server of Debian; has apt-get update been run?")
	}
	dir := filepath.Join(debiantest.Cache(t), "apt-"+arch)
	sources := filepath.Join(dir, "sources.list")
	lines := strings.Split(servers, "\n")
	slices.Sort(lines)
	put(t, sources, strings.Join(slices.Compact(lines), "\n")+"\n")
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, option := range []string{
		"Dir::Etc::SourceList=" + sources, "Dir::Etc::SourceParts=-",
		"Dir::State::Lists=" + dir + "/lists", "Dir::Cache=" + dir + "/cache", "Dir::State::Status=/dev/null",
		"APT::Architecture=" + arch, "APT::Architectures=" + arch, "Acquire::Languages=none",
	} {
		a.options = append(a.options, "-o", option)
	}
	debiantest.Run(t, "apt-get", append(slices.Clone(a.options), "update")...)
	return a
}

// field returns what follows a word in what apt-cache says.
func (a apt) field(word string, question ...string) string {
	a.t.Helper()
	for line := range strings.Lines(debiantest.Run(a.t, "apt-cache", append(slices.Clone(a.options[1:]), question...)...)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), word); ok {
			return strings.TrimSpace(value)
		}
	}
	a.t.Fatalf("apt-cache %s says nothing of %q; has apt-get update been run?", strings.Join(question, " "), word)
	return ""
}

// download loads packages and returns their files, in a directory that is
// removed after the test.
func (a apt) download(packages ...string) []string {
	a.t.Helper()
	dir := debiantest.Scratch(a.t)
	debiantest.RunIn(a.t, dir, "apt-get", append(append(slices.Clone(a.options), "download"), packages...)...)
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != len(packages) {
		a.t.Fatalf("apt-get download %s left %q, %v", packages, debs, err)
	}
	return debs
}
