package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
)

const (
	accessName = "access.json"

	maxSmall = 256 << 10 // bytes; a token has at most 16 KiB, which JSON may escape
)

var errNoFile = errors.New("it is no regular file")

// IsOwnFile reports whether path is one that the agent itself has a use for in its
// state directory or its runtime directory. A token file there would be the end of
// the link, or of the sockets.
func IsOwnFile(path, stateDir, runtimeDir string) bool {
	dir, name := filepath.Split(filepath.Clean(path))
	is := func(of ...string) bool {
		return slices.ContainsFunc(of, func(own string) bool { return strings.HasPrefix(strings.TrimPrefix(name, "."), own) })
	}
	switch filepath.Clean(dir) {
	case filepath.Clean(stateDir):
		return is(currentName, serialName, lockName)
	case filepath.Clean(runtimeDir):
		return is(agentSockName, eventsSockName, tokenSockName, accessName, crashesName)
	}
	return false
}

// prepareRuntimeDir makes the directory and removes what an agent that was
// killed left there and would be wrong now.
func (a *Agent) prepareRuntimeDir() error {
	if err := os.MkdirAll(a.cfg.RuntimeDir, 0o755); err != nil {
		return runtimeError(err)
	}
	dir, err := os.Open(a.cfg.RuntimeDir)
	if err != nil {
		return runtimeError(err)
	}
	a.runtimeLock = dir
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("runtime directory %s: %w; give each its own runtime_dir", a.cfg.RuntimeDir, errLocked), dir.Close())
	}
	return ignoreMissing(os.Remove(filepath.Join(a.cfg.RuntimeDir, tokenSockName)))
}

func runtimeError(err error) error {
	return fmt.Errorf("runtime directory: %w; give it to the agent's user, or set another runtime_dir", err)
}

// accessFile is the access token in the runtime directory, which is memory: a
// restart of the agent costs no call to Amazon, a reboot does. Its end is in
// uptime, so a wrong clock cannot make it older or younger.
type accessFile struct {
	BootID  string        `json:"boot_id"`
	Link    string        `json:"link"` // hash of the refresh token it came with
	Token   string        `json:"access_token"`
	Expires time.Duration `json:"expires_uptime_ns"`
	Life    time.Duration `json:"life_ns"`
	Scopes  string        `json:"scopes,omitempty"`
}

// loadAccess returns the access token that an agent of the same boot left for
// this link, and none when anything is in doubt.
func (a *Agent) loadAccess(l link) access {
	if a.cfg.RuntimeDir == "" || a.cfg.BootID == "" {
		return access{}
	}
	text, err := readSmall(filepath.Join(a.cfg.RuntimeDir, accessName))
	var f accessFile
	if err != nil || json.Unmarshal(text, &f) != nil || f.BootID != a.cfg.BootID || f.Link != l.Refresh.Hash() {
		return access{}
	}
	if f.Life > lwa.MaxLife || f.Expires > a.cfg.Uptime()+f.Life {
		return access{}
	}
	return access{Token: lwa.NewSecret(f.Token), Expires: f.Expires, Life: f.Life, Scopes: f.Scopes}
}

func (a *Agent) keepForRestart(acc access) error {
	path := filepath.Join(a.cfg.RuntimeDir, accessName)
	if acc.Token.IsZero() {
		return removeFile(path)
	}
	text, _ := json.Marshal(accessFile{
		BootID: a.cfg.BootID, Link: a.m.rec.Link.Refresh.Hash(),
		Token: acc.Token.Reveal(), Expires: acc.Expires, Life: acc.Life, Scopes: acc.Scopes,
	})
	return replaceFile(path, text, 0o600, -1)
}

// readSmall reads a file of the agent's. What else has its name, a FIFO or a link
// to a device for example, must not keep the agent from starting.
func readSmall(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|safeOpen, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, errNoFile)
	}
	return io.ReadAll(io.LimitReader(f, maxSmall))
}

// replaceFile writes a file so that a reader finds the old or the new one
// whole, and never one that too many may read. It does not survive a power
// cut and need not.
func replaceFile(path string, text []byte, mode os.FileMode, gid int) error {
	tmp := unfinished(path)
	if err := ignoreMissing(os.Remove(tmp)); err != nil {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if gid >= 0 {
		err = errors.Join(err, f.Chown(-1, gid))
	}
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	return nil
}

// unfinished is what a file is called while it is written. It is always the same
// name, so that what a kill leaves of a token there is found again.
func unfinished(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

// removeFile makes sure that there is no such file, nor what a kill has left of one.
func removeFile(path string) error {
	return errors.Join(ignoreMissing(os.Remove(path)), ignoreMissing(os.Remove(unfinished(path))))
}
