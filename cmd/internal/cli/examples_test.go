package cli

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../systemd/examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestExampleRunsACommandAtEachChange is lwa-agent-on-change.service, with a command
// that reads its input, as ssh does.
func TestExampleRunsACommandAtEachChange(t *testing.T) {
	t.Parallel()
	needs(t, "sh")
	u := newConsumer(t)
	changed := u.write("link-changed", "#!/bin/sh\ncat\nprintf '%s\\n' \"$LWA_STATUS\" >>"+u.dir+"/changes\n")
	if err := os.Chmod(changed, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := u.start(example(t, "lwa-agent-on-change.service"), "/usr/local/bin/link-changed", changed)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a unit, it ends as a whole
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
	}()
	u.await("changes", `"state":"linked"`)
	if out, err := u.command("lwa-agent", "unlink").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	u.await("changes", `"state":"unlinked"`)
}

// TestExampleWaitsForTheLink is lwa-agent-linked.service.
func TestExampleWaitsForTheLink(t *testing.T) {
	t.Parallel()
	u := newConsumer(t)
	cmd := u.start(example(t, "lwa-agent-linked.service"), "/usr/bin/lwa-agent", "lwa-agent")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("a linked device: %v, %s; want success and silence", err, out)
	}
}

// TestExampleLeavesWholeNumbers is lwa-agent-metrics.service.
func TestExampleLeavesWholeNumbers(t *testing.T) {
	t.Parallel()
	needs(t, "curl")
	u := newConsumer(t)
	const where = "/var/lib/prometheus/node-exporter/"
	export := func() ([]byte, error) {
		return u.start(example(t, "lwa-agent-metrics.service"), where, u.dir+"/", "/run/lwa-agent/", u.dir+"/run/").CombinedOutput()
	}
	if out, err := export(); err != nil || len(out) > 0 {
		t.Errorf("%v, %s; want success and silence", err, out)
	}
	u.await("lwa-agent.prom", `lwa_agent_state{state="linked"} 1`)
	if err := os.Rename(filepath.Join(u.dir, "run/agent.sock"), filepath.Join(u.dir, "run/away.sock")); err != nil {
		t.Fatal(err)
	}
	if out, err := export(); err == nil {
		t.Errorf("without an agent it succeeds: %s", out)
	}
	u.await("lwa-agent.prom", `lwa_agent_state{state="linked"} 1`) // the old one, whose age tells
}
