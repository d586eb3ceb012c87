package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// examples are the files that only the package brings along, not an image.
func examples(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("examples/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no examples (%v)", err)
	}
	return paths
}

// exampleUnits are the units that the package brings along to be copied.
func exampleUnits(t *testing.T) (paths []string) {
	t.Helper()
	for _, pattern := range []string{"consumer.service", "examples/*.service", "examples/*.path", "examples/*.timer"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) < 6 {
		t.Fatalf("only %q", paths)
	}
	return paths
}

func TestVerifyHasNothingToSayAboutTheExamples(t *testing.T) {
	tool(t, "systemd-analyze", "systemd")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(verifiable(t, core))
	for _, path := range exampleUnits(t) {
		text := strings.NewReplacer("ExecStart=/usr/bin/lwa-agent ", "ExecStart="+self+" ", "ExecStart=/usr/bin/my-program ", "ExecStart="+self+" ").Replace(read(t, path))
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range exampleUnits(t) {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "--man=no", "verify", filepath.Join(dir, filepath.Base(path))).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: systemd-analyze verify is to be silent: %v\n%s", path, err, out)
		}
	}
}

// TestExamplesNeedNoMoreThanTheyGet: who copies one must find in it what it is for,
// and who the program runs as.
func TestExamplesNeedNoMoreThanTheyGet(t *testing.T) {
	for _, path := range exampleUnits(t) {
		unit := read(t, path)
		if !strings.HasPrefix(unit, "# ") {
			t.Errorf("%s does not say what it is for", path)
		}
		if strings.Contains(unit, "agent.sock") || strings.Contains(value(unit, "ExecStart"), "lwa-agent w") {
			if value(unit, "DynamicUser") != "yes" && value(unit, "User") == "" {
				t.Errorf("%s asks the agent as root", path)
			}
		}
	}
}

func TestPromtoolTakesTheAlerts(t *testing.T) {
	promtool := os.Getenv("LWA_AGENT_PROMTOOL")
	if promtool == "" {
		tool(t, "promtool", "prometheus")
		promtool = "promtool"
	}
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", "examples/alerts.yml"}, {"test", "rules", "testdata/alerts_test.yml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil || !strings.Contains(string(out), "SUCCESS") {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
