package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/lwa"
)

// holder is a process that has a device or a port.
type holder struct {
	pid          int
	name, device string
}

// eachOpen calls yield with every file that a process has open, as /proc names
// it. hidden: there are processes whose files one may not see.
func eachOpen(yield func(pid int, target string)) (hidden bool) {
	processes, _ := filepath.Glob("/proc/[0-9]*/fd") // the pattern is ours
	for _, dir := range processes {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrPermission) {
			hidden = true
		}
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
				yield(pid, target)
			}
		}
	}
	return hidden
}

// holdersOf are the processes that have one of the devices open, but for the
// agent's own and the doctor.
func holdersOf(devices map[string]bool, own string) (all []holder, hidden bool) {
	hidden = eachOpen(func(pid int, target string) {
		h := holder{pid, processName(pid), target}
		if devices[target] && pid != os.Getpid() && strconv.Itoa(pid) != own && h.name != "lwa-agent" && !slices.Contains(all, h) {
			all = append(all, h)
		}
	})
	return all, hidden
}

func processName(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return "process " + strconv.Itoa(pid)
	}
	return strings.TrimSpace(string(text))
}

// checkPorts looks who listens where the agent would.
func checkPorts(_ context.Context, f *facts) []Finding {
	if f.configErr != nil {
		return nil
	}
	var all []Finding
	var named []string
	for _, p := range f.ports() {
		who := f.listener(p.port)
		switch {
		case who != "" && f.linkUnwanted():
			all = append(all, warn(p.cure, "port %d of the %s is taken by %s; it is wanted when the device is to be linked again", p.port, p.what, who))
		case who != "":
			all = append(all, fault(p.cure, "port %d of the %s is taken by %s", p.port, p.what, who))
		}
		named = append(named, fmt.Sprintf("%d", p.port))
	}
	switch {
	case len(all) > 0:
		return all
	case len(named) == 0:
		return one(ok("none is needed"))
	}
	return one(ok("no other program has %s", strings.Join(named, " or ")))
}

// port is one that the agent listens on while a link is offered.
type port struct {
	port       uint16
	what, cure string
}

func (f *facts) ports() (all []port) {
	if u, err := url.Parse(f.cfg.RedirectURI); err == nil && f.cfg.Method == agent.MethodCode && lwa.IsLoopback(u.Hostname()) && u.Port() != "" {
		n, _ := strconv.ParseUint(u.Port(), 10, 16)
		all = append(all, port{uint16(n), "redirect", "end that program; or set another redirect_uri, here and at Amazon. The other ways to link stay open"})
	}
	if _, text, err := net.SplitHostPort(f.cfg.LinkPage.Listen); err == nil {
		n, _ := strconv.ParseUint(text, 10, 16)
		all = append(all, port{uint16(n), "link page", "end that program, or set another [link_page] listen"})
	}
	return all
}

// linkUnwanted reports whether the agent says that it is linked and offers no link
// besides, so that it listens nowhere: nothing can be in its way now.
func (f *facts) linkUnwanted() bool {
	return f.status != nil && f.status.State == agent.Linked && !socket.Offers(*f.status)
}

// listener names another program than the agent that listens on a port; "" for
// none.
func (f *facts) listener(port uint16) string {
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(path) // without IPv6 there is no second one
		for _, l := range listening(string(text), port) {
			own := l.uid == f.owner.uid && f.packaged()
			if own {
				continue
			}
			name, agents := f.ofSocket(l.inode)
			if agents || name == "" && l.uid == f.owner.uid && f.status != nil {
				continue
			}
			if name == "" {
				name = "a program of another user"
			}
			return name
		}
	}
	return ""
}

// ofSocket finds whose a socket is, and whether it is the agent, which holds its
// own socket in the runtime directory as well.
func (f *facts) ofSocket(inode string) (name string, agents bool) {
	eachOpen(func(pid int, target string) {
		if target == "socket:["+inode+"]" {
			name = processName(pid)
			agents = name == "lwa-agent" || pid == os.Getpid()
		}
	})
	return name, agents
}

// listenSocket is a line of /proc/net/tcp (proc_net(5)).
type listenSocket struct {
	uid   int
	inode string
}

func listening(table string, port uint16) (all []listenSocket) {
	const stateListen = "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line) // sl local remote state queues timer retransmits uid timeout inode
		if len(fields) < 10 || fields[3] != stateListen {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err != nil || uint16(n) != port {
			continue
		}
		uid, _ := strconv.Atoi(fields[7])
		all = append(all, listenSocket{uid, fields[9]})
	}
	return all
}
