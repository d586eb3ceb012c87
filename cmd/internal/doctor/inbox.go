package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"lwa-agent/agent"
)

// checkInbox drops an empty file of a name that the agent passes over into each
// inbox, looks whether the kernel tells of it, and takes it away.
func checkInbox(ctx context.Context, f *facts) []Finding {
	if f.configErr != nil {
		return nil
	}
	if f.cfg.Method == agent.MethodCBL {
		return one(ok("nothing has to be dropped for code-based linking"))
	}
	var all []Finding
	for _, path := range f.cfg.Inbox {
		all = append(all, f.inbox(ctx, path)...)
	}
	return all
}

func (f *facts) inbox(ctx context.Context, path string) []Finding {
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	what := dir
	if name != "" {
		what = filepath.Join(dir, name)
	}
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return one(fault("sudo systemd-tmpfiles --create; or: "+f.makeInbox(dir), "%s does not exist, so nothing can be dropped", dir))
	case errors.Is(err, fs.ErrPermission):
		return one(unseen(f.cureOfStranger(), "%s: you may not look into it", dir))
	case err != nil:
		return one(fault("correct [inbox] paths", "%s: %v", dir, bare(err)))
	case !st.IsDir():
		return one(fault("correct [inbox] paths", "%s is no directory", dir))
	}
	var all []Finding
	if !f.owner.may(dir, 7) {
		all = append(all, fault(f.makeInbox(dir), "the agent may not read %s and take files away there", dir))
	}
	if st.Mode().Perm()&0o002 != 0 && st.Mode()&fs.ModeSticky == 0 {
		all = append(all, warn("sudo chmod o-w "+agent.ShellWord(dir), "everybody can write to %s and remove the files of others", dir))
	}
	if why := deafFileSystem(dir); why != "" {
		return append(all, warn("nothing, if half a minute does not matter", "%s is %s, where a drop from another machine is seen within 30 s only", what, why))
	}
	return append(all, f.tryDrop(ctx, dir, what))
}

func (f *facts) makeInbox(dir string) string {
	return fmt.Sprintf("sudo install -d -m 3770 -o %s -g %s %s", f.userWord(), f.groupWord(f.owner.gid), agent.ShellWord(dir))
}

// dropWait is how long the kernel may take to tell of a new file.
const dropWait = 2 * time.Second

func (f *facts) tryDrop(ctx context.Context, dir, what string) Finding {
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		err = watcher.Add(dir)
	}
	switch {
	case errors.Is(err, unix.EMFILE):
		return warn("sudo sysctl fs.inotify.max_user_instances=512", "%s cannot be watched from here: too many watches of this user", what)
	case errors.Is(err, unix.ENOSPC):
		return warn("sudo sysctl fs.inotify.max_user_watches=524288", "%s cannot be watched from here: too many watches of this user", what)
	case errors.Is(err, fs.ErrPermission):
		return unseen(f.cureOfStranger(), "%s: you may not look into it", what)
	case err != nil:
		return warn("the agent looks every 30 s all the same", "%s cannot be watched: %v", what, bare(err))
	}
	// A dot before a name: the agent passes it over.
	file, err := os.CreateTemp(dir, ".lwa-agent-doctor-")
	switch {
	case errors.Is(err, unix.EPERM):
		return fault("sudo chattr -i -a "+agent.ShellWord(dir), "nothing can be dropped into %s: it is immutable", what)
	case errors.Is(err, fs.ErrPermission):
		return unseen(f.cureOfStranger(), "%s: you may not drop anything there", what)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fault("free space: df -h "+agent.ShellWord(dir), "nothing can be dropped into %s: the disk is full", what)
	case errors.Is(err, unix.EROFS):
		return fault("mount it writable, or correct [inbox] paths", "nothing can be dropped into %s: it is read-only", what)
	case err != nil:
		return fault("correct [inbox] paths", "nothing can be dropped into %s: %v", what, bare(err))
	}
	defer os.Remove(file.Name())
	defer file.Close()
	late := time.NewTimer(dropWait)
	defer late.Stop()
	for {
		select {
		case e := <-watcher.Events:
			if e.Name == file.Name() {
				return ok("a drop into %s is seen at once", what)
			}
		case _, more := <-watcher.Errors: // an overflow: what is waited for comes, or the time is up
			if !more {
				return unseen("try again", "%s: the watch ended", what)
			}
		case <-late.C:
			return warn("nothing, if half a minute does not matter", "the kernel does not tell of new files in %s; a drop is seen within 30 s", what)
		case <-ctx.Done():
			return unseen("try again", "%s: there was no time to try it", what)
		}
	}
}

// deafFileSystem names a file system that other machines write to as well, of
// which the kernel tells nobody (inotify(7)).
func deafFileSystem(dir string) string {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return ""
	}
	switch uint32(st.Type) {
	case unix.NFS_SUPER_MAGIC:
		return "on NFS"
	case unix.SMB_SUPER_MAGIC, 0xff534d42, 0xfe534d42: // CIFS, SMB2
		return "on a Windows share"
	case unix.V9FS_MAGIC:
		return "shared with the host (9p)"
	}
	return ""
}
