package socket

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// deniedError is fs.ErrPermission with what to do.
type deniedError string

func (e deniedError) Error() string        { return string(e) }
func (e deniedError) Is(target error) bool { return target == fs.ErrPermission }

// denied says what to do about a socket that the invoking user may not use.
func denied(path string) error {
	if cure := cureOfDenied(path); cure != "" {
		return deniedError(fmt.Sprintf("you may not use %s; %s", path, cure))
	}
	return deniedError(fmt.Sprintf("only root may use %s; use sudo", path))
}

// cureOfDenied says how the invoking user comes to use path: which group it
// belongs to, or the directory that hides it, and the command to join that;
// "" where there is none to join.
func cureOfDenied(path string) string {
	ruled := filepath.Base(path) != "events.sock" // which is the displays' alone
	info, err := os.Stat(path)
	for err != nil && path != "/" {
		path = filepath.Dir(path)
		info, err = os.Stat(path)
	}
	if err != nil {
		return ""
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return joinGroup(strconv.FormatUint(uint64(owner.Gid), 10), info.Mode().Perm(), ruled)
}

// joinGroup is the cure where the group gid owns what was denied; "" where no
// group may use it. ruled: a rule may let somebody in as well.
func joinGroup(gid string, mode fs.FileMode, ruled bool) string {
	if gid == "0" || mode&0o070 == 0 {
		return ""
	}
	group := gid
	if g, err := user.LookupGroupId(gid); err == nil {
		group = g.Name
	}
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
		if groups, err := u.GroupIds(); err == nil && slices.Contains(groups, gid) {
			return fmt.Sprintf("you joined the group %s after you logged in; log in again", group)
		}
	}
	cure := fmt.Sprintf("join the group with: sudo usermod -aG %s %s, then log in again", group, name)
	if ruled {
		cure += fmt.Sprintf("; or name %s in an [[access]] of config.toml", name)
	}
	return cure
}
