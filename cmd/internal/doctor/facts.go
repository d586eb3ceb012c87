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
	"sync"
	"syscall"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"
	"lwa-agent/cmd/internal/socket"
)

// facts are what more than one check wants to know.
type facts struct {
	Patient
	cfg       config.Config // zero where configErr is not nil
	configErr error
	// secretHidden: there may be a client secret, which only others may read.
	secretHidden bool

	runtimeDir string
	status     *agent.Status // nil: see statusErr
	statusErr  error
	units      map[string]unit // by name; nil without systemd
	owner      account         // whom the agent runs as
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
	f.proxy = f.Proxy(f.agentEnviron())
	f.readConfig()
	return f
}

// askStatus asks at the socket for programs, else at the one for displays.
func askStatus(ctx context.Context, dir string) (*agent.Status, error) {
	var first error
	for _, name := range []string{"agent.sock", "events.sock"} {
		text, err := socket.New(filepath.Join(dir, name)).Ask(ctx, http.MethodGet, "/status", "")
		var st agent.Status
		if err == nil {
			err = json.Unmarshal(text, &st)
		}
		if err == nil {
			return &st, nil
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
	env := f.Env
	if len(f.Secrets) > 0 {
		secret, hidden := firstReadable(f.Secrets)
		f.secretHidden = hidden
		if dir, err := credentials(secret); secret != "" && err == nil {
			defer os.RemoveAll(dir)
			env = func(name string) string {
				if name == "CREDENTIALS_DIRECTORY" {
					return dir
				}
				return f.Env(name)
			}
		}
	}
	f.cfg, f.configErr = config.Load(f.ConfigPath, env)
	if f.configErr != nil && onlySecretDenied(f.configErr) {
		f.secretHidden = true
		f.cfg, f.configErr = f.configWithoutSecret()
	}
	if f.secretHidden && f.status != nil && f.status.Method != "" {
		f.cfg.Method = f.status.Method // it may depend on whether there is a secret
	}
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

// credentials makes a directory as systemd does for a unit (systemd.exec(5)).
func credentials(secret string) (string, error) {
	dir, err := os.MkdirTemp("", "lwa-agent-doctor-")
	if err != nil {
		return "", err
	}
	return dir, os.Symlink(secret, filepath.Join(dir, "client_secret"))
}

// onlySecretDenied reports whether nothing is wrong but that the reader may not
// see the client secret.
func onlySecretDenied(err error) bool {
	problems := problemsOf(err)
	return len(problems) > 0 && !slices.ContainsFunc(problems, func(p *config.Problem) bool {
		return p.Line == 0 || !errors.Is(p, fs.ErrPermission) // without a line it is the configuration itself
	})
}

func (f *facts) configWithoutSecret() (config.Config, error) {
	text, err := os.ReadFile(f.ConfigPath)
	if err == nil {
		text, err = config.Set(f.ConfigPath, text, config.Setting{Path: "client_secret_file", Text: ""})
	}
	if err != nil {
		return config.Config{}, err
	}
	return config.Parse(f.ConfigPath, text, f.Env)
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
