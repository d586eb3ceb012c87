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

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/simulated"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/lwa/lwatest"
)

const (
	patience     = 10 * time.Second // for anything that takes milliseconds
	stopPatience = 5 * time.Second  // for the agent to end by itself
)

// device is a machine that runs the agent against an Amazon of its own.
type device struct {
	bench  *bench
	amazon *amazon
	memory string // config.toml, the sockets, the log
	state  string // on the disk
	inbox  string // on the disk
	core   *process
}

// deviceOptions are how devices differ.
type deviceOptions struct {
	lwatest.Options
	method   string
	tls      bool
	display  string // a terminal that the display process draws on
	volatile bool   // the state is in memory: what a disk takes is left out
}

// newDevice prepares a device; its agent is not started.
func (b *bench) newDevice(ctx context.Context, o deviceOptions) (*device, error) {
	var by *authority
	if o.tls {
		by = b.authority
	}
	sim, err := openAmazon(ctx, o.Options, by)
	if err != nil {
		return nil, err
	}
	d := &device{bench: b, amazon: sim}
	disk, err := os.MkdirTemp(b.disk, "")
	if err == nil {
		d.memory, err = os.MkdirTemp(b.memory, "")
	}
	if err != nil {
		return nil, err
	}
	d.state, d.inbox = filepath.Join(disk, "state"), filepath.Join(disk, "inbox")
	if o.volatile {
		d.state = filepath.Join(d.memory, "state")
	}
	return d, errors.Join(
		os.Mkdir(d.inbox, 0o700),
		os.Mkdir(d.path("run"), 0o755), // by systemd, on a device
		os.Mkdir(d.path("etc"), 0o755),
		os.WriteFile(d.path("etc/client_secret"), []byte(lwatest.WebClientSecret), 0o600),
		os.WriteFile(d.config(), []byte(d.configText(o)), 0o600),
	)
}

func (d *device) path(name string) string { return filepath.Join(d.memory, name) }
func (d *device) config() string          { return d.path("etc/config.toml") }

func (d *device) configText(o deviceOptions) string {
	text := simulated.Device{
		Amazon: d.amazon.url, Method: o.method, SecretFile: d.path("etc/client_secret"),
		StateDir: d.state, RuntimeDir: d.path("run"), Inbox: d.inbox,
	}.Config()
	if o.display != "" {
		text += fmt.Sprintf("[[display]]\ndriver = \"terminal\"\ndevice = %q\n", o.display)
	}
	return text
}

// process is a running agent, core or display.
type process struct {
	*exec.Cmd
	log   *os.File
	ended chan struct{}
}

// command is a call of the agent that ends, however this program does.
func (d *device) command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.bench.agent, append(args, "--config", d.config())...)
	cmd.Env = append([]string{"SSL_CERT_FILE=" + d.bench.authority.file}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// launch starts a process of the agent's. What it logs goes to a file.
func (d *device) launch(cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(d.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	if cmd.Stderr == nil {
		cmd.Stderr = log
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("the agent does not start: %w", err), log.Close())
	}
	p := &process{Cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		_ = p.Wait() // how it ended is in ProcessState
		log.Close()
		close(p.ended)
	}()
	return p, nil
}

// start starts the core.
func (d *device) start(ctx context.Context) (err error) {
	d.core, err = d.launch(d.command(ctx, d.bench.coreEnv, "run"))
	return err
}

// stop asks the process to end, as systemd does. One that ends badly is an error.
func (p *process) stop() error {
	if p == nil {
		return nil
	}
	_ = p.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(stopPatience):
		_ = p.Process.Kill()
		<-p.ended
		return errors.New("the agent does not end when it is told to")
	}
	if !p.ProcessState.Success() {
		return fmt.Errorf("the agent ended with %s", p.ProcessState)
	}
	return nil
}

// end stops the core and the simulator and reports what either had to say
// against the other.
func (d *device) end() error {
	err := d.core.stop()
	if err != nil {
		err = d.explain(err)
	}
	err = errors.Join(err, d.amazon.objections())
	d.amazon.close()
	return err
}

// explain adds the last line of the log.
func (d *device) explain(err error) error {
	text, _ := os.ReadFile(d.path("log")) // none: nothing to add
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return fmt.Errorf("%w (the log ends: %s)", err, last)
	}
	return err
}

// startLinked starts a new device's agent and links it as a person does.
func (b *bench) startLinked(ctx context.Context, o deviceOptions) (*device, error) {
	o.method = agent.MethodCode
	d, err := b.newDevice(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	return d, d.link(ctx)
}

// link hands in the code of a person who pressed Allow, and waits until all is
// quiet: linked, saved, and the account's name known.
func (d *device) link(ctx context.Context) error {
	offer, err := d.until(ctx, socket.Offers)
	if err != nil {
		return err
	}
	back, err := d.amazon.Allow(offer.AuthorizeURL)
	if err != nil {
		return err
	}
	if err := d.post(ctx, "/code", back); err != nil {
		return err
	}
	_, err = d.until(ctx, socket.Named)
	return err
}
