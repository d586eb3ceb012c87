package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/cmd/internal/socket"
)

const (
	agentGroup = "lwa-agent" // whose members may use agent.sock
	agentUnit  = "lwa-agent.service"
)

// unitReads reports whether the unit is installed and reads the configuration path.
func unitReads(path string) bool {
	return path == config.DefaultPath && slices.ContainsFunc([]string{"/etc", "/lib", "/usr/lib"}, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "systemd/system", agentUnit))
		return err == nil
	})
}

// systemdRuns reports whether systemd is PID 1 (sd_booted(3)). In an image that
// is being built it is not.
func systemdRuns() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// mayJoin reports why a user cannot join the group.
func mayJoin(name string) error {
	if os.Geteuid() != 0 {
		return errors.New("only root lets users join a group; run it with sudo")
	}
	if _, err := user.LookupGroup(agentGroup); err != nil {
		return fmt.Errorf("there is no group %s; install the package first", agentGroup)
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("there is no user %q", name)
	}
	if u.Uid == "0" {
		return fmt.Errorf("%s may use the agent anyway", name)
	}
	return nil
}

func isMember(name string) bool {
	g, err := user.LookupGroup(agentGroup)
	if err != nil {
		return false
	}
	u, err := user.Lookup(name)
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, g.Gid)
}

// join lets the chosen user use the agent. A failure is said, and stops nothing.
func (s *setup) join(ctx context.Context) {
	switch {
	case s.user == "":
	case isMember(s.user):
		s.say("%s is in the group %s already", s.user, agentGroup)
	default:
		out, err := exec.CommandContext(context.WithoutCancel(ctx), "usermod", "-aG", agentGroup, s.user).CombinedOutput()
		if err != nil {
			s.complain(fmt.Errorf("%s did not join the group %s: %w %s", s.user, agentGroup, err, said(out)))
			return
		}
		s.say("%s has joined the group %s, from the next login on", s.user, agentGroup)
	}
}

// start starts the agent and shows the link, where it is to run here and now.
func (s *setup) start(ctx context.Context) error {
	starts := !s.on("no-start")
	switch {
	case s.unit && systemdRuns() && starts:
		out, err := exec.CommandContext(ctx, "systemctl", "restart", agentUnit).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s did not start: %w %s; see: journalctl -u %s -n 20", agentUnit, err, said(out), agentUnit)
		}
		s.say("started: %s", agentUnit)
	case s.unit && systemdRuns():
		s.say("start it with: sudo systemctl restart lwa-agent")
		return nil
	case s.unit:
		s.say("the agent starts when this system boots")
		return nil
	case starts && s.texts["runtime_dir"] != "" && s.runs(ctx): // in the foreground somewhere, and not the packaged one
		pause(ctx, 2*configSettle) // what it says before is of the old configuration
	default:
		s.say("start it with: lwa-agent %srun; then link it with: lwa-agent %slink", s.configFlag(), s.configFlag())
		return nil
	}
	return s.link(ctx)
}

func (s *setup) runs(ctx context.Context) bool {
	_, err := s.socket().Ask(ctx, http.MethodGet, "/status", "")
	return err == nil
}

// link is "lwa-agent link" in a terminal. A script gets the way to link and goes
// on, as with "lwa-agent relink".
func (s *setup) link(ctx context.Context) error {
	if isTerminal(s.Out) {
		s.say("")
		return s.app.link(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sock := s.socket()
	updates := sock.Follow(ctx, reconnectEvery)
	first, err := next(ctx, updates)
	if err := errors.Join(err, first.Err); err != nil {
		return err
	}
	if first.Status.State == agent.Linked && !socket.Offers(first.Status) {
		s.say("already linked%s", toWhom(first.Status))
		return nil
	}
	l := s.session(sock, first.Status)
	if socket.Offers(first.Status) {
		l.offer(first.Status, 1)
		return nil
	}
	return l.printOffer(ctx, updates)
}

// said is what a program said, for an error.
func said(out []byte) string {
	text := strings.TrimSpace(string(out))
	if text == "" {
		return ""
	}
	return "(" + strings.ReplaceAll(text, "\n", "; ") + ")"
}
