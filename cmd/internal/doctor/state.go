package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"lwa-agent/agent"

	"golang.org/x/sys/unix"
)

// checkState looks at what the link is kept in.
func checkState(_ context.Context, f *facts) []Finding {
	dir := f.cfg.StateDir
	if f.configErr != nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.status == nil:
		return one(ok("%s is made at the first start", dir))
	case errors.Is(err, fs.ErrNotExist):
		return one(fault("sudo systemctl restart lwa-agent", "%s was removed while the agent runs", dir))
	case errors.Is(err, fs.ErrPermission):
		return append(f.stateWarnings(), unseen(asRoot, "%s: only root and the agent may read it", dir))
	case err != nil:
		return one(fault("set state_dir to a directory on a disk", "%s cannot be read: %v", dir, bare(err)))
	}
	all := append(f.stateWarnings(), f.ownership(dir, entries)...)
	lasting, record := agent.LookAtState(dir)
	if lasting != (agent.Warning{}) && f.status == nil {
		all = append(all, warn(lasting.Hint, "%s", lasting.Message))
	}
	if record != nil {
		all = append(all, fault("sudo systemctl restart lwa-agent; it falls back to the state before, or shows the way to link again",
			"%s cannot be used: %v", filepath.Join(dir, "link.json"), bare(record)))
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".damaged") {
			all = append(all, warn("look after the disk or the SD card; then remove the file",
				"%s was damaged once and is kept as evidence", filepath.Join(dir, e.Name())))
		}
		if strings.Contains(e.Name(), ".undecryptable-") {
			all = append(all, warn("give the agent that store-key again and restart it, or link the device again",
				"%s is a link whose key is not there", filepath.Join(dir, e.Name())))
		}
	}
	all = append(all, f.plainAllTheSame()...)
	if len(all) == 0 {
		all = one(ok("%s%s", dir, writesOf(f.status)))
	}
	return all
}

// plainAllTheSame tells of a unit that would take a key, and of none that is there:
// the agent takes that for a wish, and a fleet's owner thinks that all is encrypted.
func (f *facts) plainAllTheSame() []Finding {
	if !f.units[coreUnit].takes("store-key") || !f.packaged() || f.status == nil || f.status.StoreKey != "" {
		return nil
	}
	if p := f.status.LastError; p != nil && strings.HasPrefix(p.Code, "store") {
		return nil // there is more to say of it
	}
	return one(warn("make the key and restart the agent, as the first lines of encrypt.conf say: systemctl cat lwa-agent",
		"a drop-in wants the link encrypted, and there is no store-key: it is kept in plain text"))
}

func writesOf(s *agent.Status) string {
	if s == nil {
		return ""
	}
	text := fmt.Sprintf(", %d writes since the agent's start", s.StoreWrites)
	if s.StoreKey != "" {
		text += ", the link encrypted with the key " + s.StoreKey
	}
	return text
}

// stateWarnings are the agent's own: of a copied card, of a link in memory.
func (f *facts) stateWarnings() (all []Finding) {
	if f.status != nil {
		for _, w := range f.status.Warnings {
			if w == agent.CardRefused() && len(f.refusedOnBootPartition()) > 0 {
				continue // checkConfig tells of it
			}
			all = append(all, warn(w.Hint, "%s", w.Message))
		}
	}
	return all
}

// ownership reports what the agent could not use, or others could read, as after
// a backup that was restored.
func (f *facts) ownership(dir string, entries []fs.DirEntry) (all []Finding) {
	give := fmt.Sprintf("sudo chown -R %s: %s", f.userWord(), agent.ShellWord(dir))
	foreign, open := 0, 0
	for _, name := range append(names(entries), "") {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if owner, is := st.Sys().(*syscall.Stat_t); is && int(owner.Uid) != f.owner.uid && f.owner.uid != 0 {
			foreign++
		}
		if st.Mode().Perm()&0o077 != 0 && (name == "" || st.Mode().IsRegular()) {
			open++
		}
	}
	if foreign > 0 {
		all = append(all, fault(give+" && sudo systemctl restart lwa-agent", "%d of what is in %s is not the agent's own", foreign, dir))
	}
	if open > 0 {
		all = append(all, warn("sudo chmod -R go= "+agent.ShellWord(dir), "others may read %d of what is in %s", open, dir))
	}
	return all
}

func names(entries []fs.DirEntry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// littleRoom is less than what a system needs to live with, in bytes.
const littleRoom = 4 << 20

// checkDisk looks at the file systems of the state and of the sockets.
func checkDisk(_ context.Context, f *facts) []Finding {
	if f.configErr != nil {
		return nil
	}
	var all []Finding
	for _, dir := range []string{f.cfg.StateDir, f.runtimeDir} {
		if finding := diskOf(dir); finding.Level != OK {
			all = append(all, finding)
		}
	}
	if len(all) > 0 {
		return all
	}
	return one(diskOf(f.cfg.StateDir))
}

func diskOf(dir string) Finding {
	var st unix.Statfs_t
	there := dir
	err := unix.Statfs(there, &st)
	for errors.Is(err, unix.ENOENT) && there != "/" { // made at the start
		there = filepath.Dir(there)
		err = unix.Statfs(there, &st)
	}
	if err != nil {
		return unseen(asRoot, "%s: %v", there, bare(err))
	}
	free := st.Bavail * uint64(st.Bsize)
	switch {
	case st.Flags&unix.ST_RDONLY != 0:
		return fault("mount it writable, or set state_dir to a directory that is", "%s is read-only, so no link can be saved", there)
	case st.Blocks > 0 && free < agent.RoomNeeded:
		return fault("free space: sudo journalctl --vacuum-size=50M, or look with: df -h "+there, "%s is full, so no link can be saved", there)
	case st.Files > 0 && st.Ffree < 2:
		return fault("remove files: df -i "+there, "%s has no room for another file, so no link can be saved", there)
	case st.Blocks > 0 && free < littleRoom:
		return warn("free space before a save fails: df -h "+there, "%s has only %d KiB left", there, free>>10)
	}
	return ok("%d MiB free", free>>20)
}

// bare is an error without the path, which the message has already.
func bare(err error) error {
	if e, is := errors.AsType[*fs.PathError](err); is {
		return e.Err
	}
	return err
}
