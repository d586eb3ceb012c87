package agent

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

const (
	minWatchWait = time.Second
	maxWatchWait = time.Minute
)

// dirWatch tells when something happens in a directory. It only ever makes
// things quicker: what is there is found by looking, and a directory that was
// replaced, mounted over or unmounted, of which inotify says little or
// nothing, is found by comparing. The zero value watches nothing yet.
type dirWatch struct {
	notify *fsnotify.Watcher
	held   map[string]dirID // what lay under each path when it was added; zero: no directory

	failure  error // why nothing is watched
	failedAt string
	retry    time.Time
	wait     time.Duration
}

type dirID struct{ dev, ino uint64 }

// identifyDir is zero where there is no directory.
func identifyDir(path string) dirID {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return dirID{}
	}
	return dirID{uint64(st.Dev), st.Ino}
}

func (w *dirWatch) events() <-chan fsnotify.Event {
	if w.notify == nil {
		return nil
	}
	return w.notify.Events
}

func (w *dirWatch) errors() <-chan error {
	if w.notify == nil {
		return nil
	}
	return w.notify.Errors
}

// ensure watches the directories that are there, and the parents, where one
// that is not there would appear.
func (w *dirWatch) ensure(spools []*spool, now time.Time) {
	if len(spools) == 0 || w.failure != nil && now.Before(w.retry) {
		return
	}
	if w.notify != nil && w.holds(spools) {
		return
	}
	w.close()
	if dir, err := w.open(spools); err != nil {
		w.fail(dir, err, now)
		return
	}
	w.failure, w.failedAt = nil, ""
}

func (w *dirWatch) holds(spools []*spool) bool {
	watched := w.notify.WatchList()
	for _, s := range spools {
		id := identifyDir(s.dir)
		if id != w.held[s.dir] || id != (dirID{}) && !slices.Contains(watched, s.dir) {
			return false
		}
	}
	return true
}

// open makes a new inotify instance rather than mending the old one: a watch
// of a directory that went away and came back under the same inode cannot be
// told from a good one.
func (w *dirWatch) open(spools []*spool) (dir string, err error) {
	w.notify, err = fsnotify.NewWatcher()
	if err != nil {
		w.notify = nil
		return spools[0].dir, err
	}
	w.held = make(map[string]dirID)
	for _, s := range spools {
		_ = w.notify.Add(filepath.Dir(s.dir)) // without it a new directory is found at the next rescan
		id := identifyDir(s.dir)
		if id == (dirID{}) {
			continue
		}
		if err := w.notify.Add(s.dir); err != nil && identifyDir(s.dir) == id {
			return s.dir, err
		}
		if identifyDir(s.dir) == id { // else replaced meanwhile: the next look finds that out
			w.held[s.dir] = id
		}
	}
	return "", nil
}

// failed takes an error of the watcher. After an overflow events are missing
// and a look finds what they would have told; after anything else the watcher
// is made anew.
func (w *dirWatch) failed(err error, now time.Time) {
	if errors.Is(err, fsnotify.ErrEventOverflow) {
		return
	}
	if err == nil {
		err = fsnotify.ErrClosed
	}
	w.fail("", err, now)
}

func (w *dirWatch) fail(dir string, err error, now time.Time) {
	w.close()
	if now.Sub(w.retry) > maxWatchWait {
		w.wait = 0 // it worked for a while
	}
	w.wait = min(max(minWatchWait, 2*w.wait), maxWatchWait)
	w.retry = now.Add(w.wait)
	w.failure, w.failedAt = err, dir
}

// trouble says why there is no watch, and what to do; empty if there is one.
func (w *dirWatch) trouble() (message, hint string) {
	switch {
	case w.failure == nil:
		return "", ""
	case errors.Is(w.failure, unix.EMFILE):
		hint = "raise fs.inotify.max_user_instances: sysctl fs.inotify.max_user_instances=512"
	case errors.Is(w.failure, unix.ENOSPC):
		hint = "raise fs.inotify.max_user_watches: sysctl fs.inotify.max_user_watches=65536"
	case errors.Is(w.failure, unix.EACCES):
		hint = "make the directory readable for the group " + ownGroup()
	default:
		hint = "nothing needs to be done: dropped codes are found, a second later"
	}
	return "changes cannot be watched (" + w.failure.Error() + "), so the directory is looked at every second", hint
}

func (w *dirWatch) close() {
	if w.notify != nil {
		_ = w.notify.Close() // nothing was written
		w.notify = nil
	}
}
