package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/simulated"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/lwa/lwatest"
)

// consumer is a program's device: a linked agent, and an API beside its Amazon.
type consumer struct {
	t      *testing.T
	dir    string
	config string
	sim    *lwatest.Sim
	url    string       // of Amazon and of the API
	refuse atomic.Int32 // how many requests the API refuses from now on
	log    lockedBuffer
}

// newDevice is one on which no agent runs yet.
func newDevice(t *testing.T) *consumer {
	t.Helper()
	dir, err := os.MkdirTemp("", "lwa") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	u := &consumer{t: t, dir: dir, config: filepath.Join(dir, "config.toml"), sim: lwatest.New(lwatest.Options{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/user/profile" && u.refuse.Add(-1) >= 0 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		u.sim.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	u.url = server.URL
	secret := filepath.Join(dir, "secret")
	u.write("secret", lwatest.WebClientSecret)
	u.write("config.toml", simulated.Device{
		Amazon: u.url, Method: agent.MethodCode, SecretFile: secret,
		StateDir: filepath.Join(dir, "state"), RuntimeDir: filepath.Join(dir, "run"), Inbox: filepath.Join(dir, "inbox"),
	}.Config())
	return u
}

// newConsumer starts the program itself, as systemd does, and signs in.
func newConsumer(t *testing.T) *consumer {
	t.Helper()
	u := newDevice(t)
	run := u.command("lwa-agent", "run")
	run.Stderr = &u.log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Signal(os.Interrupt)
		_ = run.Wait()
		if t.Failed() {
			t.Logf("the agent's log:\n%s", u.log.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), commandPatience)
	defer cancel()
	a := &app{configPath: u.config}
	status, err := a.socket().Until(ctx, reconnectEvery, func(s agent.Status) bool { return s.AuthorizeURL != "" })
	if err != nil {
		t.Fatal(err)
	}
	address, err := u.sim.Allow(status.AuthorizeURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.socket().Ask(ctx, http.MethodPost, "/code", address); err != nil {
		t.Fatal(err)
	}
	if _, err := a.socket().Until(ctx, reconnectEvery, socket.Named); err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *consumer) write(name, text string) string {
	u.t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
	return path
}

// command is a program of this device, in whose environment lwa-agent finds it.
func (u *consumer) command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), commandPatience)
	u.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = u.dir
	cmd.WaitDelay = time.Second // for what it leaves behind
	cmd.Env = append(os.Environ(), "CONFIG="+u.config, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// here is a text of the README or of an example with this device's addresses in
// place of the real ones. Others are in pairs of the real one, which must be in the
// text, and ours.
func (u *consumer) here(text string, others ...string) string {
	u.t.Helper()
	for i := 0; i < len(others); i += 2 {
		if !strings.Contains(text, others[i]) {
			u.t.Errorf("%s is not in\n%s", others[i], text)
		}
	}
	others = append(others, "https://api.amazon.com/", u.url+"/", "/run/lwa-agent/", filepath.Join(u.dir, "run")+"/")
	return strings.NewReplacer(others...).Replace(text)
}

// needs skips a test, and says so, without a program; but not in CI, where a
// skipped test would be taken for a passed one.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("SKIPPED, NOTHING TESTED: %s is missing", name)
	}
}

// start runs the ExecStart= of a unit as systemd would (systemd.service(5), "COMMAND
// LINES"): of what stands there, only $$ is another to a shell.
func (u *consumer) start(unit string, others ...string) *exec.Cmd {
	u.t.Helper()
	var command string
	for line := range strings.Lines(unit) {
		if value, ok := strings.CutPrefix(line, "ExecStart="); ok && command == "" {
			command = strings.ReplaceAll(strings.TrimSpace(value), "$$", "$")
		}
	}
	if command == "" || strings.Contains(command, "%") {
		u.t.Fatalf("no command that this test understands in\n%s", unit)
	}
	return u.command("sh", "-c", "exec "+u.here(command, others...))
}

// await waits until a file of the device holds a text.
func (u *consumer) await(name, text string) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), commandPatience)
	defer cancel()
	for {
		got, _ := os.ReadFile(filepath.Join(u.dir, name)) // not there yet: no text
		if strings.Contains(string(got), text) {
			return
		}
		if !pause(ctx, 10*time.Millisecond) {
			u.t.Fatalf("%s never holds %s; it is\n%s", name, text, got)
		}
	}
}
