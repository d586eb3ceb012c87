package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
)

const (
	coreGroup    = "lwa-agent"
	displayGroup = agent.DisplayGroup
)

// checkAgent says what the agent says of itself.
func checkAgent(_ context.Context, f *facts) []Finding {
	if f.status == nil {
		return one(f.noAgent())
	}
	s := f.status
	all := one(stateOf(s, time.Now()))
	if p := s.LastError; p != nil {
		level := Fault
		if s.State == agent.Linked && s.ExpiresAt != nil && s.ExpiresAt.After(time.Now()) {
			level = Warning // programs get their tokens all the same
		}
		all = append(all, Finding{Level: level, Message: p.Message, Cure: p.Hint})
	}
	return all
}

func (f *facts) noAgent() Finding {
	switch {
	case errors.Is(f.statusErr, socket.ErrNotRunning) && f.configErr != nil:
		return fault("correct the configuration first", "the agent is not running")
	case errors.Is(f.statusErr, socket.ErrNotRunning) && f.packaged():
		return fault("sudo systemctl start lwa-agent", "the agent is not running")
	case errors.Is(f.statusErr, socket.ErrNotRunning):
		return fault("start it with: lwa-agent run", "the agent is not running: nothing answers in %s", f.runtimeDir)
	case errors.Is(f.statusErr, fs.ErrPermission), refusedByAgent(f.statusErr):
		return unseen("see the line on access", "you may not ask the agent what it does")
	}
	message, cure, _ := strings.Cut(f.statusErr.Error(), "; ")
	return fault(cure, "%s", message)
}

func refusedByAgent(err error) bool {
	r, is := errors.AsType[*socket.Refusal](err)
	return is && r.Code == "denied"
}

// stateOf leaves out whose account it is.
func stateOf(s *agent.Status, now time.Time) Finding {
	switch {
	case s.State == agent.Linked && s.ExpiresAt != nil && s.ExpiresAt.After(now):
		line := fmt.Sprintf("linked, token good for %d min", s.ExpiresAt.Sub(now)/time.Minute)
		if s.Reason != "" {
			return warn("see: lwa-agent status", "%s, but %s", line, s.Reason)
		}
		return ok("%s", line)
	case s.State == agent.Linked:
		return fault("see below for the cause", "linked, and there is no valid token now")
	case s.State == agent.Linking:
		return ok("%s", s.Reason)
	}
	return warn("to link it: lwa-agent link", "not linked: %s", s.Reason)
}

// checkAccess looks at users and groups: those that the units want, and whether
// who asks may use the agent.
func checkAccess(_ context.Context, f *facts) []Finding {
	var all []Finding
	if f.packaged() {
		all = f.accountsOfUnits()
	}
	return append(all, f.asker())
}

// asker says whether who asks may use the agent.
func (f *facts) asker() Finding {
	group, member, fresh := f.membership()
	switch {
	case f.root():
		return ok("root may use the agent")
	case f.owner.uid == os.Geteuid():
		return ok("the agent runs as you, so you may use it")
	case refusedByAgent(f.statusErr):
		return warn(`add "status" to the [[access]] in config.toml that names you; or `+f.cureOfStranger(),
			"the agent does not tell you its status; [[access]] in config.toml says what you may have")
	case f.statusErr == nil && !fresh:
		return ok("a rule of [[access]] lets you use the agent, for its status at least")
	case group == "":
		return unseen(asRoot, "there is no group that may use the agent, so far as you may see")
	case !member:
		return warn(f.cureOfStranger(), "you are not in the group %s, so the agent gives you no token", group)
	case !fresh:
		return warn("log in again", "you joined the group %s after you logged in", group)
	}
	return ok("you are in the group %s and may use the agent", group)
}

func (f *facts) cureOfStranger() string {
	group, member, fresh := f.membership()
	switch {
	case member && !fresh:
		return "you joined the group " + group + " after you logged in: log in again"
	case group == "":
		return asRoot
	}
	return `sudo usermod -aG ` + group + ` "$USER", then log in again`
}

// membership is the group that may use agent.sock, whether who asks is in it, and
// whether this very process is already.
func (f *facts) membership() (group string, member, fresh bool) {
	gid := -1
	if st, err := os.Stat(filepath.Join(f.runtimeDir, "agent.sock")); err == nil {
		if owner, is := st.Sys().(*syscall.Stat_t); is {
			gid = int(owner.Gid)
		}
	} else if g, err := user.LookupGroup(coreGroup); err == nil {
		gid, _ = strconv.Atoi(g.Gid)
	}
	if gid <= 0 {
		return "", false, false
	}
	group = f.groupWord(gid)
	me, _ := accountOf(user.Current())
	own, _ := os.Getgroups()
	fresh = slices.Contains(own, gid) || os.Getegid() == gid
	return group, fresh || slices.Contains(me.gids, gid), fresh
}

func groupName(gid int) string {
	id := strconv.Itoa(gid)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

func (f *facts) accountsOfUnits() (all []Finding) {
	const cure = "sudo systemd-sysusers"
	for _, name := range []string{coreGroup, displayGroup} {
		if _, err := user.Lookup(name); err != nil {
			all = append(all, fault(cure, "there is no user %s, so its unit cannot start", name))
		}
	}
	// systemd starts no unit of a group that does not exist (216/GROUP).
	wanted := append([]string{coreGroup, displayGroup}, strings.Fields(f.units[displayUnit]["SupplementaryGroups"])...)
	for _, name := range wanted {
		if _, err := user.LookupGroup(name); err != nil {
			all = append(all, fault(cure, "there is no group %s, and the units do not start without it", name))
		}
	}
	if g, err := user.LookupGroup(displayGroup); err == nil {
		if gid, err := strconv.Atoi(g.Gid); err == nil && !slices.Contains(f.owner.gids, gid) {
			all = append(all, fault("sudo systemd-sysusers && sudo systemctl restart lwa-agent",
				"the agent is not in the group %s, so displays hear nothing of it", displayGroup))
		}
	}
	return all
}

// may reports whether the account has the permissions want (4 read, 2 write, 1
// enter) for path, by its owner, group and mode. What only an access control list
// says, and a path that cannot be looked at, is taken for allowed.
func (a account) may(path string, want uint32) bool {
	var st syscall.Stat_t
	if a.uid == 0 || syscall.Stat(path, &st) != nil {
		return true
	}
	mode := st.Mode & 0o007
	switch {
	case int(st.Uid) == a.uid:
		mode = st.Mode >> 6 & 0o007
	case slices.Contains(a.gids, int(st.Gid)):
		mode = st.Mode >> 3 & 0o007
	}
	return mode&want == want
}

// userWord and groupWord are for commands and sentences. The package's accounts go
// by name; of an agent that somebody runs by hand those are the person's own.
func (f *facts) userWord() string {
	if f.packaged() {
		return f.owner.name
	}
	return strconv.Itoa(f.owner.uid)
}

func (f *facts) groupWord(gid int) string {
	if f.packaged() {
		return groupName(gid)
	}
	return strconv.Itoa(gid)
}
