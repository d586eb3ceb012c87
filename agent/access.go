package agent

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Access is a rule: what a user, or the members of a group, may have of agent.sock
// and token.sock. Without one, root, the agent's own user and the members of the
// socket's group have everything, and others nothing. A rule for a user counts
// alone; those for all of the groups of a user without one add up, and a rule for
// the socket's group stands in place of everything. Root and the agent's own user
// are never less than they were: they could stop the agent as well.
type Access struct {
	User, Group string   // one of them: a name of this system, or a number
	May         []string // MayStatus, MayToken, MayLink; none: nothing
}

// What a rule may allow.
const (
	MayStatus = "status" // GET /status, /events, /metrics
	MayToken  = "token"  // GET /token, POST /refused, and token.sock
	MayLink   = "link"   // handing codes in, relink, unlink, import; with it the status, without which none can link
)

// right is what somebody may have, a bit each.
type right uint8

const (
	rightStatus right = 1 << iota
	rightToken
	rightLink
	everything = rightStatus | rightToken | rightLink
)

func (r right) String() string {
	var all []string
	for i, name := range [...]string{MayStatus, MayToken, MayLink} {
		if r&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// rules are those of the configuration with the ids of this system. They never
// change: others take their place.
type rules struct {
	users, groups map[uint32]right
	unknown       []string // whom there is not, yet: in words
}

// resolve looks the names up. One that is unknown may come with a package that is
// installed later, so it is no mistake.
func resolve(access []Access) *rules {
	r := &rules{users: map[uint32]right{}, groups: map[uint32]right{}}
	for _, a := range access {
		ids, kind, name, look := r.users, "user", a.User, userID
		if a.Group != "" {
			ids, kind, name, look = r.groups, "group", a.Group, groupID
		}
		id, err := idOf(name, look)
		if err != nil {
			r.unknown = append(r.unknown, kind+" "+name)
			continue
		}
		ids[id] |= rightOf(a.May)
	}
	return r
}

func rightOf(may []string) (r right) {
	for _, word := range may {
		switch word {
		case MayStatus:
			r |= rightStatus
		case MayToken:
			r |= rightToken
		case MayLink:
			r |= rightLink | rightStatus
		}
	}
	return r
}

func userID(name string) (int, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}

func idOf(name string, look func(string) (int, error)) (uint32, error) {
	if id, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(id), nil
	}
	id, err := look(name)
	if err == nil && id < 0 {
		err = errors.New("it has no id")
	}
	return uint32(id), err
}

// of returns what p may have of a socket of the group gid.
func (r *rules) of(p peer, gid uint32) (all right) {
	if p.isPrivileged() {
		return everything
	}
	if own, ok := r.users[p.uid]; ok {
		return own
	}
	for _, g := range p.gids {
		if allowed, ok := r.groups[g]; ok {
			all |= allowed
		} else if g == gid {
			all = everything
		}
	}
	return all
}

// names reports whether a rule decides about p.
func (r *rules) names(p peer) bool {
	_, ok := r.users[p.uid]
	return ok || slices.ContainsFunc(p.gids, func(g uint32) bool { _, ok := r.groups[g]; return ok })
}

// lacking says what p may not have here, and where that is decided. Of everything
// that is needed, anything would do.
func (p peer) lacking(needed, has right) Problem {
	problem := Problem{
		Code: "denied", Message: fmt.Sprintf("user %s may not have this here: %s is needed, and allowed is %s", p.user(), needed, has),
		Hint: fmt.Sprintf("add %q to may of an [[access]] in config.toml that names that user, or one of its groups", needed.String()),
	}
	if needed == everything {
		problem.Message = fmt.Sprintf("user %s may have nothing here, by a rule", p.user())
		problem.Hint = "add what it may have to may of the [[access]] in config.toml that names that user, or one of its groups"
	}
	return problem
}

// lookForUnknown takes the rules over when somebody whom they name has come to be.
func (a *Agent) lookForUnknown() {
	if old := a.rules.Load(); len(old.unknown) > 0 {
		if r := resolve(a.cfg.Access); !slices.Equal(r.unknown, old.unknown) {
			a.takeRules(r)
		}
	}
}

// takeRules makes r what decides about who may have what, of connections that are
// open as well, and about who may connect.
func (a *Agent) takeRules(r *rules) {
	a.rules.Store(r)
	for _, s := range a.servers {
		a.letIn(s.listener)
	}
	if a.tokenSock != nil {
		a.letIn(a.tokenSock.listener)
	}
}

// letIn lets those connect to a socket whom a rule gives something of it. Who
// cannot be let in alone, since the file system has no access control lists, is
// let in with everybody: each connection is judged by itself, too.
func (a *Agent) letIn(l *unixListener) {
	if l.rules == nil || l.rules.Load() == nil {
		return
	}
	r := l.rules.Load()
	users, groups := r.havers(r.users, l.offers), r.havers(r.groups, l.offers)
	if len(users)+len(groups) == 0 && !l.letsIn {
		return // the mode may be an administrator's
	}
	l.letsIn = len(users)+len(groups) > 0
	err := allowToConnect(l.path, users, groups)
	if err == nil {
		return
	}
	a.cfg.Log.Info("everybody may connect to a socket, and is turned away there", "socket", l.path, "because", err)
	if err := os.Chmod(l.path, 0o666); err != nil {
		a.cfg.Log.Error("those of [[access]] cannot be let in", "socket", l.path, "error", err)
	}
}

// havers are the ids, in order, that have something of what a socket offers.
func (r *rules) havers(ids map[uint32]right, offered right) (all []uint32) {
	for id, has := range ids {
		if has&offered != 0 {
			at, _ := slices.BinarySearch(all, id)
			all = slices.Insert(all, at, id)
		}
	}
	return all
}

// accessNotice tells of rules that mean nobody.
func (a *Agent) accessNotice() Warning {
	r := a.rules.Load()
	if len(r.unknown) == 0 {
		return Warning{}
	}
	return Warning{
		"access", "[[access]] names the " + strings.Join(r.unknown, ", the ") + ", which this device does not know",
		"correct the name, or make that one: it is looked for every 30 s; a user who is in no file of /etc goes by number",
	}
}
