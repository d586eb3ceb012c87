package agent

import (
	"os"
	"os/user"
	"slices"
	"strconv"
)

// userName is a user as people know them; the number where nobody has it.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

// groupName is the same for groups.
func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

func ownUser() string { return userName(uint32(os.Geteuid())) }

// ownGroup names the group that a dropped file has to be readable for.
func ownGroup() string { return groupName(uint32(os.Getegid())) }

// inGroup asks /etc/passwd and /etc/group: the owner of a file has no process
// that the kernel could be asked about, and a process may be older than its
// user's membership.
func inGroup(uid, gid uint32) bool {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, strconv.FormatUint(uint64(gid), 10))
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}
