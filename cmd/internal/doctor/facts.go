package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/lwa"
)

// facts are what more than one check wants to know.
type facts struct {
	Patient
	cfg       config.Config // zero where configErr is not nil
	configErr error
	// secretHidden: there may be a client secret, which only others may read.
	secretHidden bool

	runtimeDir string
	status     *agent.Status   // nil: see statusErr
	statusErr  error           // of the socket for programs, even where the other one answered
	units      map[string]unit // by name; nil without systemd
	owner      account         // whom the agent runs as
	environ    []string        // the agent's, so far as it may be seen
	proxy      Proxy           // the agent's

	call func() call // Amazon's answer; waits for it
}

// account is a user as the kernel sees one.
type account struct {
	name     string
	uid, gid int
	gids     []int // all, gid among them
}

func gather(ctx context.Context, p Patient) *facts {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	f := &facts{Patient: p, runtimeDir: config.RuntimeDir(p.ConfigPath)}
	var asking sync.WaitGroup
	asking.Go(func() { f.status, f.statusErr = askStatus(ctx, f.runtimeDir) })
	asking.Go(func() { f.units = showUnits(ctx) })
	asking.Wait()
	f.owner = f.whoseAgent()
	f.environ = f.agentEnviron()
	f.proxy = f.Proxy(f.environ)
	f.readConfig()
	return f
}

// askStatus asks at the socket for programs, else at the one for displays. The
// error is the first one's.
func askStatus(ctx context.Context, dir string) (*agent.Status, error) {
	var first error
	for _, name := range []string{"agent.sock", "events.sock"} {
		text, err := socket.New(filepath.Join(dir, name)).Ask(ctx, http.MethodGet, "/status", "")
		var st agent.Status
		if err == nil {
			err = json.Unmarshal(text, &st)
		}
		if err == nil {
			return &st, first
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// packaged reports whether this is the agent of the package, under systemd.
func (f *facts) packaged() bool {
	return f.ConfigPath == config.DefaultPath && f.units[coreUnit].loaded()
}

func (f *facts) root() bool { return os.Geteuid() == 0 }

// whoseAgent is whom the agent runs as, or would: its unit knows, else its
// socket, else it is who asks.
func (f *facts) whoseAgent() account {
	if name := f.units[coreUnit]["User"]; f.packaged() && name != "" {
		if a, err := accountOf(user.Lookup(name)); err == nil {
			return a
		}
	}
	if st, err := os.Stat(filepath.Join(f.runtimeDir, "agent.sock")); err == nil {
		if owner, is := st.Sys().(*syscall.Stat_t); is {
			if a, err := accountOf(user.LookupId(strconv.FormatUint(uint64(owner.Uid), 10))); err == nil {
				return a
			}
		}
	}
	a, _ := accountOf(user.Current())
	a.uid, a.gid = os.Geteuid(), os.Getegid()
	return a
}

func accountOf(u *user.User, err error) (account, error) {
	if err != nil {
		return account{}, err
	}
	a := account{name: u.Username}
	a.uid, _ = strconv.Atoi(u.Uid) // numbers on every Unix
	a.gid, _ = strconv.Atoi(u.Gid)
	ids, _ := u.GroupIds() // none: the primary one alone
	for _, id := range append(ids, u.Gid) {
		n, _ := strconv.Atoi(id)
		a.gids = append(a.gids, n)
	}
	return a, nil
}

// readConfig reads it as the agent would, so far as that is allowed.
func (f *facts) readConfig() {
	f.cfg, f.configErr = config.Load(f.ConfigPath, f.agentEnv)
	credential, hidden := firstReadable(f.Secrets)
	switch {
	case len(problemsOf(f.configErr)) > 0 && problemsOf(f.configErr)[0].Line == 0: // it cannot be read
		return
	case credential != "":
		f.readWith(credential)
	case onlySecretDenied(f.configErr):
		hidden = true
		f.readFor(lwa.Secret{})
	}
	if f.secretHidden = hidden; hidden && f.status != nil && f.status.Method != "" {
		f.cfg.Method = f.status.Method // it may depend on whether there is a secret
	}
}

// agentEnv is the doctor's environment, but for where the agent's unit has the link
// kept (state.conf of the examples).
func (f *facts) agentEnv(name string) string {
	if name == "STATE_DIRECTORY" && f.packaged() {
		for _, v := range f.environ {
			if dir, is := strings.CutPrefix(v, name+"="); is {
				return dir
			}
		}
	}
	return f.Env(name)
}

// readWith takes the secret from the file of a credential, as systemd would.
func (f *facts) readWith(credential string) {
	text, err := os.ReadFile(credential)
	if err != nil {
		f.configErr = err
		return
	}
	secret, err := config.Secret(credential, text)
	if err != nil {
		f.configErr = err
		return
	}
	f.readFor(secret)
}

// readFor reads the configuration for a client with this secret.
func (f *facts) readFor(secret lwa.Secret) {
	text, err := os.ReadFile(f.ConfigPath)
	if err != nil {
		f.configErr = err
		return
	}
	f.cfg, f.configErr = config.Check(f.ConfigPath, text, secret, f.agentEnv)
}

// firstReadable returns the first file that can be read, and whether there may be
// one that cannot.
func firstReadable(paths []string) (path string, hidden bool) {
	for _, p := range paths {
		file, err := os.Open(p)
		if err == nil {
			file.Close()
			return p, false
		}
		hidden = hidden || errors.Is(err, fs.ErrPermission)
	}
	return "", hidden
}

// onlySecretDenied reports whether nothing is wrong but that the reader may not
// see the client secret.
func onlySecretDenied(err error) bool {
	problems := problemsOf(err)
	return len(problems) > 0 && !slices.ContainsFunc(problems, func(p *config.Problem) bool { return !errors.Is(p, fs.ErrPermission) })
}

func problemsOf(err error) (all []*config.Problem) {
	list := []error{err}
	if joined, is := err.(interface{ Unwrap() []error }); is {
		list = joined.Unwrap()
	}
	for _, e := range list {
		if p, is := errors.AsType[*config.Problem](e); is {
			all = append(all, p)
		}
	}
	return all
}
