package agent

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// roomNeeded is what must be free before anybody signs in, in bytes: the
// largest record, encrypted, written beside the one before it.
const roomNeeded = 40 << 10

// writable looks whether a save can work, without writing.
func (s *store) writable() error {
	if s.blocked != nil {
		return s.blocked
	}
	err := unix.Access(s.dir, unix.W_OK)
	if err == nil {
		err = s.room()
	}
	if err != nil {
		return &fs.PathError{Op: "write to", Path: s.dir, Err: err}
	}
	return nil
}

func (s *store) room() error {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil || st.Blocks == 0 {
		return nil //nolint:nilerr // it does not tell, so a save will
	}
	free := st.Bavail
	if os.Geteuid() == 0 {
		free = st.Bfree // some blocks are kept for root
	}
	if free*uint64(st.Bsize) < roomNeeded || st.Files > 0 && st.Ffree < 2 {
		return unix.ENOSPC
	}
	return nil
}

// lookAtDisk tells the machine whether a save would fail now, so that a person
// hears of it before he signs in.
func (a *Agent) lookAtDisk() diskNews {
	err := a.store.writable()
	was := a.unwritable
	a.unwritable = err != nil
	if err != nil {
		return diskNews{problem: err.Error(), hint: a.cureOfStore(err)}
	}
	return diskNews{mended: was}
}

const storeHint = "free space on the disk or make it writable; it is tried again by itself"

func (a *Agent) cureOfStore(err error) string {
	cure := cureOfKernel(err, a.store.dir)
	switch {
	case errors.Is(err, errStoreKey):
		return storeKeyHint
	case errors.Is(err, errUndecryptable):
		return "make the state directory writable, then: systemctl restart lwa-agent"
	case a.store.blocked == nil && cure != "":
		return cure
	case a.store.blocked != nil, errors.Is(err, fs.ErrPermission):
		return storeOwnerHint
	case errors.Is(err, fs.ErrNotExist):
		return "the directory was removed; to make it again: systemctl restart lwa-agent"
	default:
		return storeHint
	}
}
