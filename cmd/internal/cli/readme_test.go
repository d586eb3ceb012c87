package cli

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lwa-agent/lwa/lwatest"
)

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

// TestProgramsOfTheREADMEWork: who copies one gets the profile with it; and with a
// token that the API refuses, a new one, once.
func TestProgramsOfTheREADMEWork(t *testing.T) {
	t.Parallel()
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
