package agent

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peer is who is at the other end of a connection, as the kernel noted it when
// that was made. Its process id is left out on purpose: it may be another's by
// the time it is looked up.
type peer struct {
	reader
	gids []uint32 // the effective one and the supplementary ones
}

// reader is a user, or the unit for which systemd reads a credential. Everybody
// may bind such a name, so a unit is believed of root only.
type reader struct {
	uid              uint32
	unit, credential string
}

// peerOf asks the kernel (unix(7), SO_PEERCRED; socket(7), SO_PEERGROUPS). The
// first alone knows one group of a process, and of most people that is not the
// one that they were added to.
func peerOf(c *net.UnixConn) (peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var p peer
	var asked error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); asked != nil {
			return
		}
		p.uid = cred.Uid
		p.gids = append(peerGroups(int(fd)), cred.Gid)
	})
	if err := errors.Join(err, os.NewSyscallError("SO_PEERCRED", asked)); err != nil {
		return peer{}, err
	}
	if p.uid == 0 {
		p.unit, p.credential = readerOfCredential(c.RemoteAddr().String())
	}
	return p, nil
}

// peerGroups returns the supplementary groups, and none where a kernel before
// 4.13 does not tell them.
func peerGroups(fd int) []uint32 {
	gids := make([]uint32, 32)
	for {
		size := uint32(4 * len(gids)) // a process has at most 65,536
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&gids[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return gids[:size/4]
		case errno == unix.ERANGE && int(size/4) > len(gids):
			gids = make([]uint32, size/4)
		default:
			return nil
		}
	}
}

// readerOfCredential reads the abstract address that systemd binds before it
// connects for LoadCredential= (systemd.exec(5)): @NUMBER/unit/NAME/CREDENTIAL.
func readerOfCredential(address string) (unit, credential string) {
	parts := strings.Split(address, "/")
	if len(parts) != 4 || parts[1] != "unit" || parts[2] == "" || parts[3] == "" {
		return "", ""
	}
	if _, err := strconv.ParseUint(strings.TrimPrefix(parts[0], "@"), 16, 64); err != nil || parts[0][0] != '@' {
		return "", ""
	}
	return parts[2], parts[3]
}

// isPrivileged reports whether p is root or the agent's own user, who could do to
// the agent whatever they like.
func (p peer) isPrivileged() bool { return p.uid == 0 || p.uid == uint32(os.Geteuid()) }

// String names who it is for the log.
func (r reader) String() string {
	if r.unit != "" {
		return fmt.Sprintf("unit %q, credential %q", r.unit, r.credential)
	}
	return "user " + r.user()
}

func (r reader) user() string { return userName(r.uid) }

// denial says why p may not use a socket of the group gid, and what to do.
func (p peer) denial(socket string, gid uint32) Problem {
	problem := Problem{
		Code: "denied", Message: fmt.Sprintf("user %s may not use %s", p.user(), socket),
		Hint: "only root may; use sudo",
	}
	rule := ""
	if socket != eventsSockName { // which is the displays' alone
		rule = "; or name that user in an [[access]] of config.toml"
	}
	if gid == 0 {
		problem.Hint += rule
		return problem
	}
	group := groupName(gid)
	problem.Hint = fmt.Sprintf("join the group with: sudo usermod -aG %s %s, then log in again; a service takes SupplementaryGroups=%s", group, p.user(), group) + rule
	if inGroup(p.uid, gid) {
		problem.Hint = fmt.Sprintf("it joined the group %s after this program was started: log in again, or restart the service", group)
	}
	return problem
}
