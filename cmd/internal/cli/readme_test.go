package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
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

// snippets are the fenced texts of the README in a language, without the fences.
func snippets(t *testing.T, language string) (all []string) {
	t.Helper()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?\n)```\n").FindAllSubmatch(readme, -1) {
		all = append(all, string(m[1]))
	}
	return all
}

func snippet(t *testing.T, language string) string {
	t.Helper()
	all := snippets(t, language)
	if len(all) != 1 {
		t.Fatalf("%d texts in %s in the README, want the one", len(all), language)
	}
	return all[0]
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

// TestProgramsOfTheREADMEWork: who copies one gets the profile with it; and with a
// token that the API refuses, a new one, once.
func TestProgramsOfTheREADMEWork(t *testing.T) {
	for _, program := range []struct {
		language, file string
		run            []string
	}{
		{"python", "ask.py", []string{"python3", "ask.py"}},
		{"js", "ask.js", []string{"node", "ask.js"}},
		{"go", "ask.go", []string{"go", "run", "ask.go"}},
	} {
		t.Run(program.language, func(t *testing.T) {
			t.Parallel()
			needs(t, program.run[0])
			u := newConsumer(t)
			u.write(program.file, u.here(snippet(t, program.language), "/run/lwa-agent/", u.dir+"/run/", "https://api.amazon.com/", u.url+"/"))
			ask := func() (string, error) {
				cmd := u.command(program.run[0], program.run[1:]...)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			if out, err := ask(); err != nil || out != "Jo Example\n" {
				t.Errorf("%v: %q, want the name in the profile", err, out)
			}
			u.refuse.Store(1)
			if out, err := ask(); err != nil || out != "Jo Example\n" {
				t.Errorf("with a token that was refused: %v: %q, want the name in the profile", err, out)
			}
			if n := u.sim.Count(lwatest.Refresh); n != 1 {
				t.Errorf("%d refreshes for one refused token", n)
			}
			u.refuse.Store(5)
			if out, err := ask(); err == nil || strings.Contains(out, "Atza|") || u.refuse.Load() != 3 {
				t.Errorf("an API that refuses every token: %v after %d requests: %q; want an end after the second", err, 5-u.refuse.Load(), out)
			}
			u.refuse.Store(0)
			if out, err := u.command("lwa-agent", "unlink").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if out, err := ask(); err == nil || !strings.Contains(out, "the device is not linked") {
				t.Errorf("on a device that is not linked: %v: %q, want why", err, out)
			}
		})
	}
}

func TestCommandLineOfTheREADMEWorks(t *testing.T) {
	t.Parallel()
	needs(t, "curl", "sed")
	u := newConsumer(t)
	out, err := u.command("sh", "-c", u.here(snippet(t, "sh"), "https://api.amazon.com/", u.url+"/")).Output()
	if err != nil || !strings.Contains(string(out), `"name":"Jo Example"`) {
		t.Errorf("%v: %s; want the profile", err, out)
	}
}

// unitsOf are the units in a text, by the name in the comment above each.
func unitsOf(text string) map[string]string {
	units := map[string]string{}
	const mark = "# /etc/systemd/system/"
	for _, part := range strings.Split(text, mark)[1:] {
		name, unit, _ := strings.Cut(part, "\n")
		units[name] = unit
	}
	return units
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

func TestTimerOfTheREADMEWorks(t *testing.T) {
	t.Parallel()
	needs(t, "curl", "sed", "systemd-analyze")
	u := newConsumer(t)
	units := unitsOf(snippet(t, "ini"))
	service := units["report.service"]
	if len(units) != 2 || service == "" || units["report.timer"] == "" {
		t.Fatalf("the README has the units %q, want a service and its timer", units)
	}
	for name, text := range units {
		path := u.write("units/"+name, text)
		defer func() {
			if out, err := u.command("systemd-analyze", "--man=no", "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: systemd-analyze verify is to be silent: %v\n%s", name, err, out)
			}
		}()
	}
	if out, err := u.command("systemd-analyze", "calendar", valueOf(units["report.timer"], "OnCalendar")).CombinedOutput(); err != nil {
		t.Errorf("the timer never comes: %s", out)
	}
	// What systemd does for LoadCredential=: read the socket to its end.
	name, path, _ := strings.Cut(valueOf(service, "LoadCredential"), ":")
	c, err := net.Dial("unix", u.here(path, "/run/lwa-agent/", u.dir+"/run/"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var token bytes.Buffer
	if _, err := token.ReadFrom(c); err != nil {
		t.Fatal(err)
	}
	u.write("credentials/"+name, token.String())
	cmd := u.start(service, "https://api.amazon.com/", u.url+"/")
	cmd.Env = append(cmd.Env, "CREDENTIALS_DIRECTORY="+filepath.Join(u.dir, "credentials"))
	if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), `"name":"Jo Example"`) {
		t.Errorf("%v: %s; want the profile", err, out)
	}
}

func valueOf(unit, key string) string {
	for line := range strings.Lines(unit) {
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

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
