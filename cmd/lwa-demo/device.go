package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lwa-agent/cmd/internal/simulated"
	"lwa-agent/lwa/lwatest"
)

const (
	// longestSocket is what the kernel takes for the address of a socket
	// (unix(7)), its final zero left out.
	longestSocket = 107

	stopPatience = 10 * time.Second // for the agent to end by itself
)

// device is a machine that runs the agent: a directory with all that it reads
// and writes, and the process.
type device struct {
	dir    string
	amazon string // its address
	agent  *process
}

// process is a running agent.
type process struct {
	*exec.Cmd
	end   context.CancelFunc // asks it to
	ended chan struct{}
}

// newDevice prepares the directory of a device that is linked by method. The
// directory is made in tmp, in the usual place where that is empty.
func newDevice(tmp, amazonURL, method string) (*device, error) {
	dir, err := os.MkdirTemp(tmp, "lwa-demo-")
	if err == nil && len(filepath.Join(dir, "run", "events.sock.new")) > longestSocket {
		// $TMPDIR is too deep for the path of a socket.
		long := dir
		dir, err = os.MkdirTemp("/tmp", "lwa-demo-")
		err = errors.Join(err, os.Remove(long))
	}
	if err != nil {
		return nil, fmt.Errorf("no directory for the device: %w; set TMPDIR to one that can be written", err)
	}
	d := &device{dir: dir, amazon: amazonURL}
	err = errors.Join(
		os.Mkdir(d.path("inbox"), 0o700),
		os.Mkdir(d.path("log"), 0o700), // apart from config.toml, whose directory the agent watches
		os.WriteFile(d.path("client_secret"), []byte(lwatest.WebClientSecret+"\n"), 0o600),
		d.configure(method),
	)
	if err != nil {
		return nil, errors.Join(err, d.remove())
	}
	return d, nil
}

func (d *device) path(name string) string { return filepath.Join(d.dir, name) }
func (d *device) config() string          { return d.path("config.toml") }
func (d *device) drop() string            { return filepath.Join(d.path("inbox"), "code.txt") }
func (d *device) log() string             { return filepath.Join(d.path("log"), "agent.log") }

// configure writes config.toml for a method, with the kind of client id that it
// needs. A running agent takes it over by itself.
func (d *device) configure(method string) error {
	text := "# The configuration of the demo's device. A change is noticed by the agent.\n" + simulated.Device{
		Amazon: d.amazon, Method: method, SecretFile: d.path("client_secret"),
		StateDir: d.path("state"), RuntimeDir: d.path("run"), Inbox: d.path("inbox"),
	}.Config()
	return os.WriteFile(d.config(), []byte(text), 0o600)
}

// start starts the agent, which ends when ctx does.
func (d *device) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot start the agent: %w", err)
	}
	log, err := os.OpenFile(d.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot start the agent: %w", err)
	}
	defer log.Close()
	ctx, end := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, self, agentCommand, "run", "--config", d.config())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{} // nothing of a unit that the demo may be started by
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopPatience
	// Ctrl-C is for the demo, which then ends the agent; whatever ends the demo
	// leaves no agent behind.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		end()
		return fmt.Errorf("cannot start the agent: %w", err)
	}
	p := &process{Cmd: cmd, end: end, ended: make(chan struct{})}
	d.agent = p
	go func() {
		_ = p.Wait() // how it ended is in ProcessState
		end()
		close(p.ended)
	}()
	return nil
}

// kill ends the agent as a power cut does (signal 9), and waits.
func (d *device) kill() error {
	if err := d.agent.Process.Kill(); err != nil {
		return fmt.Errorf("cannot kill the agent: %w", err)
	}
	<-d.agent.ended
	return nil
}

// stop asks the agent to end, and waits. An agent that ended badly is an error.
func (d *device) stop() error {
	if d.agent == nil {
		return nil
	}
	d.agent.end()
	<-d.agent.ended
	if !d.agent.ProcessState.Success() {
		return fmt.Errorf("the agent ended with %s", d.agent.ProcessState)
	}
	return nil
}

func (d *device) remove() error { return os.RemoveAll(d.dir) }

// logTail is the end of the agent's log, each line indented.
func (d *device) logTail() string {
	const most = 12
	text, err := os.ReadFile(d.log())
	if err != nil || len(text) == 0 {
		return "  (it is empty)\n"
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	lines = lines[max(0, len(lines)-most):]
	return "  " + strings.Join(lines, "\n  ") + "\n"
}
