package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

// identity is who a program runs as. The ids are of no account of this machine.
type identity struct {
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
}

const (
	agentID   = 61_000 // user and group of the agent
	memberID  = 61_001
	strangeID = 61_002
	displayID = 61_003 // user and group of the display process
)

var (
	rootUser   = identity{name: "root"}
	agentUser  = identity{name: "the agent's own user", uid: agentID, gid: agentID}
	member     = identity{name: "a member, by adduser", uid: memberID, gid: memberID, groups: []uint32{memberID, agentID}}
	memberOf40 = identity{name: "a member of forty groups", uid: memberID, gid: memberID, groups: append(sequence(70_000, 40), agentID)}
	service    = identity{name: "a service with Group=", uid: strangeID, gid: agentID}
	stranger   = identity{name: "a stranger", uid: strangeID, gid: strangeID, groups: sequence(80_000, 5)}
	painter    = identity{name: "the display process", uid: displayID, gid: displayID}
)

func sequence(first uint32, n int) (ids []uint32) {
	for i := range n {
		ids = append(ids, first+uint32(i))
	}
	return ids
}

// dial connects as id does. The kernel notes the effective ids of the thread
// that connects. With a name, the socket is bound to that abstract address
// first, as systemd does.
func (id identity) dial(path, name string) (net.Conn, error) {
	fd, err := id.connect(path, name)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	return net.FileConn(file)
}

func (id identity) connect(path, name string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if name != "" {
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + name}); err != nil {
			return -1, err
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := os.Getgroups()
	if err != nil {
		return -1, err
	}
	if err = id.assume(); err == nil {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	}
	self := identity{groups: ids(before)}
	if back := self.assume(); back != nil { // this thread is not to run anything else
		panic(back)
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// assume changes the effective ids of this thread alone, which the syscall
// package would not do. Root is first what it becomes last, or it could not.
func (id identity) assume() error {
	const keep = ^uintptr(0)
	var list unsafe.Pointer
	if len(id.groups) > 0 {
		list = unsafe.Pointer(&id.groups[0])
	}
	calls := [][4]uintptr{
		{unix.SYS_SETGROUPS, uintptr(len(id.groups)), uintptr(list)},
		{unix.SYS_SETRESGID, keep, uintptr(id.gid), keep},
		{unix.SYS_SETRESUID, keep, uintptr(id.uid), keep},
	}
	if id.uid == 0 {
		slices.Reverse(calls)
	}
	for _, call := range calls {
		if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
			return errno
		}
	}
	return nil
}

func ids(groups []int) (ids []uint32) {
	for _, g := range groups {
		ids = append(ids, uint32(g))
	}
	return ids
}

// client speaks HTTP on connections that id makes.
func (id identity) client(t testing.TB, path string) *http.Client {
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return id.dial(path, "") },
		DisableKeepAlives: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// guardedProcess is a linked agent that runs as a user of its own, as under
// systemd: the user of the tests is root to it, who may everything.
func guardedProcess(t *testing.T) *process {
	t.Helper()
	if os.Geteuid() != 0 {
		harness.Missing(t, "only root can be other users; run the tests as root")
	}
	p := newProcess(t, MethodCode, 1, lwatest.Options{})
	p.binary = "" // it may not be run by others
	p.as = &syscall.Credential{Uid: agentID, Gid: agentID, Groups: []uint32{agentID, displayID}}
	dir := filepath.Dir(p.State)
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chown(dir, agentID, agentID))
	must(t, os.Chown(p.Spool, agentID, agentID))
	p.begin()
	must(t, os.Chown(p.path(eventsSockName), -1, displayID)) // as the agent does where there is the group
	back, err := p.sim.Allow(p.follow("a QR code", func(st Status) bool { return st.AuthorizeURL != "" }).AuthorizeURL)
	must(t, err)
	p.want(p.do("POST", "/code", back), 202, "a good code")
	p.follow("linked", func(st Status) bool { return st.State == Linked && st.Account != "" })
	return p
}

// executableForAll copies this test to where any user may run it. Another program
// writes it: of a file that we had open ourselves, a process that is started at
// the same moment holds a copy of the descriptor, and it would be "busy".
func (p *process) executableForAll(self string) string {
	p.t.Helper()
	path := filepath.Join(filepath.Dir(p.State), "test-of-all")
	out, err := exec.CommandContext(p.t.Context(), "install", "-m", "755", self, path).CombinedOutput()
	if err != nil {
		p.t.Fatalf("install: %v\n%s", err, out)
	}
	return path
}
