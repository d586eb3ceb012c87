package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"lwa-agent/lwa/lwatest"
)

func TestMemoryOfRunIsClosedToItsOwnUser(t *testing.T) {
	dir, err := os.MkdirTemp("", "lwa") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("client_id = %q\nmethod = \"code\"\nstate_dir = %q\nruntime_dir = %q\n[inbox]\npaths = [%q]\n",
		lwatest.WebClientID, filepath.Join(dir, "state"), filepath.Join(dir, "run"), filepath.Join(dir, "code"))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	user := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // who may read everything
		const nobody = 65534
		user.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}

	// Its own executable is one that the user may not find by its path.
	run := exec.CommandContext(t.Context(), "/proc/self/exe", "--config", config, "run")
	run.Args[0] = "lwa-agent"
	run.Env = []string{"GORACE=atexit_sleep_ms=0"}
	run.SysProcAttr = user
	var log lockedBuffer
	run.Stderr = &log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Wait() }) // after the end of t.Context

	ctx, cancel := context.WithTimeout(t.Context(), commandPatience)
	defer cancel()
	updates := (&app{configPath: config}).socket().Follow(ctx, reconnectEvery)
	for {
		u, err := next(ctx, updates)
		if err != nil {
			t.Fatalf("it does not start: %s", log.String())
		}
		if u.Err == nil {
			break
		}
	}
	proc := fmt.Sprintf("/proc/%d/", run.Process.Pid)
	limits, err := os.ReadFile(proc + "limits")
	if core := regexp.MustCompile(`Max core file size +0 +0 `); err != nil || !core.Match(limits) {
		t.Errorf("its tokens get into a core dump (%v):\n%s", err, limits)
	}
	read := exec.CommandContext(ctx, "cat", proc+"mem")
	read.Env = []string{"LC_ALL=C"}
	read.SysProcAttr = user
	if out, err := read.CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
		t.Errorf("its user reads its tokens from its memory: %v, %s", err, out)
	}
}
