package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// workshop is what all measurements need: the agent as it is shipped and places
// for its files.
type workshop struct {
	agent, armAgent string // executables
	commit          string // that they are built from

	// memory is on a tmpfs, where a device has its runtime directory, and disk
	// is not, as far as this machine has both.
	memory, disk string

	// What the units set for each of the two processes.
	coreEnv, displayEnv []string

	authority *authority
}

func (w *workshop) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.disk, err = os.MkdirTemp("", "lwa-bench-"); err != nil {
		return fmt.Errorf("no directory for the agent: %w; set TMPDIR to one that can be written", err)
	}
	w.memory = w.disk
	for _, dir := range []string{"/run", "/dev/shm"} {
		if isTmpfs(dir) {
			if made, err := os.MkdirTemp(dir, "lwa-bench-"); err == nil {
				w.memory = made
				break
			}
		}
	}
	if w.authority, err = newAuthority(filepath.Join(w.memory, "authorities.pem")); err != nil {
		return err
	}
	return w.build(ctx)
}

func (w *workshop) close() error {
	return errors.Join(os.RemoveAll(w.memory), os.RemoveAll(w.disk))
}

// build makes the agent as the packages hold it, for this machine and for the
// smallest one, and reads what its units set.
func (w *workshop) build(ctx context.Context) error {
	root, err := output(ctx, nil, "go", "list", "-m", "-f", "{{.Dir}}", "lwa-agent")
	if err != nil {
		return fmt.Errorf("the repository is not here: %w; run it there", err)
	}
	w.agent, w.armAgent = filepath.Join(w.disk, "lwa-agent"), filepath.Join(w.disk, "lwa-agent-armv6")
	for path, env := range map[string][]string{w.agent: nil, w.armAgent: {"GOOS=linux", "GOARCH=arm", "GOARM=6"}} {
		env = append(env, "CGO_ENABLED=0")
		if _, err := output(ctx, env, "go", "build", "-trimpath", "-tags", "nethttpomithttp2", "-ldflags", "-s -w", "-o", path, "lwa-agent/cmd/lwa-agent"); err != nil {
			return fmt.Errorf("cannot build the agent: %w", err)
		}
	}
	if w.commit, err = output(ctx, nil, "git", "-C", root, "describe", "--always", "--dirty"); err != nil {
		w.commit = "of an unknown version" // a copy without its history
	}
	if w.coreEnv, err = unitEnvironment(filepath.Join(root, "systemd", "lwa-agent.service")); err == nil {
		w.displayEnv, err = unitEnvironment(filepath.Join(root, "systemd", "lwa-agent-display.service"))
	}
	return err
}

// unitEnvironment is what a unit sets for its process, so that the agent is
// measured as it is used. What systemd would have to fill in is left out.
func unitEnvironment(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("what the unit sets is unknown: %w", err)
	}
	return environmentIn(string(text)), nil
}

func environmentIn(unit string) []string {
	var env []string
	for line := range strings.Lines(unit) {
		setting, ok := strings.CutPrefix(strings.TrimSpace(line), "Environment=")
		if ok && !strings.Contains(setting, "%") {
			env = append(env, strings.Fields(setting)...)
		}
	}
	return env
}

// output runs a program and returns what it writes. Its error holds the last
// line that the program complained with.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if exit, is := errors.AsType[*exec.ExitError](err); is {
		said := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
		err = fmt.Errorf("%s: %w: %s", name, err, said[len(said)-1])
	}
	return strings.TrimSpace(string(out)), err
}

const rowBinary = "binary"

// binary is the size of what a Pi Zero has to load.
func (b *bench) binary(context.Context) error {
	info, err := os.Stat(b.armAgent)
	if err != nil {
		return err
	}
	here, err := os.Stat(b.agent)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("go build -trimpath -tags nethttpomithttp2 -ldflags '-s -w', CGO_ENABLED=0 GOARCH=arm GOARM=6: %s bytes; for this machine %s.",
		thousands(int(info.Size())), thousands(int(here.Size())))
	b.found(rowBinary, single(float64(info.Size())/1e6, 1, note))
	return nil
}
