// Package debiantest gives tests a Debian to install the package on: a root
// directory, the .deb itself, and a story told step by step. boottest runs it in
// a container, machinetest under a kernel of its own.
//
// The root directory, without our package, is kept in the user's cache directory
// (XDG_CACHE_HOME) and copied for each run: the first one on a machine loads 90
// MB. BOOTTEST_SUITE names another release than bookworm.
package debiantest

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Suite is the Debian release that is tested on.
func Suite() string { return cmp.Or(os.Getenv("BOOTTEST_SUITE"), "bookworm") }

// NeedRoot fails a test whose user is not root, or that lacks one of the tools;
// each stands with the Debian package that has it.
func NeedRoot(t testing.TB, tools map[string]string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("booting a machine needs root")
	}
	for tool, from := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Errorf("%s is missing: apt-get install %s", tool, from)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// Run runs a command, which has to succeed, and returns what it printed.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	return RunIn(t, "", name, args...)
}

// RunIn is Run in a directory.
func RunIn(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	var problems strings.Builder
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, problems.String())
	}
	return strings.TrimSpace(string(out))
}

// Cache is the directory for what is expensive to get and never changes.
func Cache(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("nowhere to keep what was loaded: %v; set XDG_CACHE_HOME", err)
	}
	cache = filepath.Join(cache, "lwa-agent-boottest")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	return cache
}

// Once returns the directory of that name in the cache. What is not there yet is
// made by fill, beside it, and renamed, so that half a one is never used.
func Once(t testing.TB, name string, fill func(dir string)) string {
	t.Helper()
	dir := filepath.Join(Cache(t), name)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	unfinished, err := os.MkdirTemp(Cache(t), "new-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(unfinished) })
	made := filepath.Join(unfinished, "made")
	fill(made)
	if err := os.Rename(made, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Scratch returns a directory that is removed after the test. It lies on a disk:
// a root directory is larger than what /tmp may hold in memory.
func Scratch(t testing.TB) string {
	t.Helper()
	removeLeftovers(t)
	run, err := os.MkdirTemp(Cache(t), "run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(run); err != nil {
			t.Errorf("the machine's disk stays behind: %v", err)
		}
	})
	return run
}

// removeLeftovers removes what tests left behind that were killed: no test takes a
// day.
func removeLeftovers(t testing.TB) {
	t.Helper()
	for _, kind := range []string{"run-*", "new-*"} {
		left, err := filepath.Glob(filepath.Join(Cache(t), kind))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range left {
			if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
				os.RemoveAll(path)
			}
		}
	}
}

// Root returns the root directory of a plain Debian, for the test to change.
func Root(t testing.TB) string {
	t.Helper()
	root := filepath.Join(Scratch(t), "root")
	Run(t, "cp", "--archive", "--reflink=auto", Plain(t), root)
	return root
}

// Plain returns that root directory as it is kept; nothing may change it.
func Plain(t testing.TB) string {
	t.Helper()
	args := []string{
		"--quiet", "--variant=minbase",
		// What a device has anyway, and for the stories: an editor, curl, setfont.
		"--include=systemd,systemd-sysv,dbus,udev,iproute2,ca-certificates,vim-tiny,curl,kbd",
		"--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Retries \"3\"",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/lwa-agent/*",
		Suite(),
	}
	name := fmt.Sprintf("%s-%.4x", Suite(), sha256.Sum256([]byte(strings.Join(args, "\n"))))
	return Once(t, name, func(dir string) { Run(t, "mmdebstrap", append(args, dir)...) })
}

// Native is Debian's name for the architecture of this host.
func Native() string {
	return map[string]string{"amd64": "amd64", "arm64": "arm64", "arm": "armhf"}[runtime.GOARCH]
}

// Package builds our .deb for an architecture and returns its path. The test's
// directory has to be one below systemd.
func Package(t testing.TB, arch string) string {
	t.Helper()
	out := Run(t, "../package.sh", arch)
	deb, err := filepath.Abs(filepath.Join("../..", out[strings.LastIndexByte(out, '\n')+1:]))
	if err != nil {
		t.Fatal(err)
	}
	return deb
}

// Build puts a program of ours, made for that GOARCH, at a path.
func Build(t testing.TB, goarch, pkg, path string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", "build", "-o", path, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+goarch)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
}
