//go:build boottest

package boottest

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
)

// tools are what the test runs on the host, with the Debian package of each.
var tools = map[string]string{
	"systemd-nspawn": "systemd-container",
	"mmdebstrap":     "mmdebstrap",
	"zbarimg":        "zbar-tools",
	"nsenter":        "util-linux",
	"dpkg":           "dpkg",
	"git":            "git",
}

func needTools(t *testing.T) {
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

// hostRun runs a command on the host, which has to succeed.
func hostRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	var problems strings.Builder
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, problems.String())
	}
	return strings.TrimSpace(string(out))
}

// debian returns a root directory of a plain Debian, for this test to change.
// The first run on a machine loads its packages, 90 MB.
func debian(t *testing.T) string {
	t.Helper()
	suite := cmp.Or(os.Getenv("BOOTTEST_SUITE"), "bookworm")
	args := []string{
		"--quiet", "--variant=minbase",
		// What a device has anyway, and for the story: an editor, curl.
		"--include=systemd,systemd-sysv,dbus,udev,iproute2,ca-certificates,vim-tiny,curl",
		"--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Retries \"3\"",
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/lwa-agent/*",
		suite,
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("nowhere to keep the root directory: %v; set XDG_CACHE_HOME", err)
	}
	cache = filepath.Join(cache, "lwa-agent-boottest")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(cache, fmt.Sprintf("%s-%.4x", suite, sha256.Sum256([]byte(strings.Join(args, "\n")))))
	if _, err := os.Stat(plain); err != nil {
		// Made beside it and renamed, so that half a one is never used.
		unfinished, err := os.MkdirTemp(cache, "new-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(unfinished) })
		root := filepath.Join(unfinished, "root")
		hostRun(t, "mmdebstrap", append(args, root)...)
		if err := os.Rename(root, plain); err != nil {
			t.Fatal(err)
		}
	}
	run, err := os.MkdirTemp(cache, "run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(run); err != nil {
			t.Errorf("the machine's root directory stays behind: %v", err)
		}
	})
	root := filepath.Join(run, "root")
	hostRun(t, "cp", "--archive", "--reflink=auto", plain, root)
	return root
}

// packaged builds the .deb for this machine and returns its path.
func packaged(t *testing.T) string {
	t.Helper()
	arch := map[string]string{"amd64": "amd64", "arm64": "arm64", "arm": "armhf"}[runtime.GOARCH]
	out := hostRun(t, "../package.sh", arch)
	deb, err := filepath.Abs(filepath.Join("../..", out[strings.LastIndexByte(out, '\n')+1:]))
	if err != nil {
		t.Fatal(err)
	}
	return deb
}

// buildProbe puts the sandbox's probe into a root directory.
func buildProbe(t *testing.T, root string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(root, "usr/bin/probe"), "./probe")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
}
