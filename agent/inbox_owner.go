package agent

import (
	"fmt"
	"os"
	"path/filepath"
)

// doorman says whose files count. Into a directory that only some can write
// the kernel has let nobody else, so the zero value lets everybody in. Where
// everybody can write, as in /tmp, a stranger's file counts no more than a
// stranger's call on agent.sock would: root, the agent's own user, the
// directory's owner and the members of the agent's group are no strangers.
type doorman struct {
	open  bool
	owner uint32          // the directory's
	known map[uint32]bool // who was asked already
}

func (d doorman) refuseOwner(f found) refusal {
	if !d.open || d.admits(f.owner) {
		return refusal{}
	}
	path := filepath.Join(f.file.dir, f.file.name)
	return refusal{
		f.file.path(), fmt.Sprintf("everybody can write to this directory, and the file's owner (%s) is not in the group %s", userName(f.owner), ownGroup()),
		fmt.Sprintf("as root: chown %s %s; or: usermod -aG %s %s", shellWord(ownUser()), shellWord(path), shellWord(ownGroup()), shellWord(userName(f.owner))),
	}
}

func (d doorman) admits(uid uint32) bool {
	if uid == 0 || int(uid) == os.Geteuid() || uid == d.owner {
		return true
	}
	admitted, asked := d.known[uid]
	if !asked {
		admitted = inGroup(uid, uint32(os.Getegid()))
		d.known[uid] = admitted
	}
	return admitted
}
