package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/display/panel"

	"github.com/fsnotify/fsnotify"
)

// configSettle is how long a file must be left alone before it is read: an
// editor writes more than once.
const configSettle = 300 * time.Millisecond

// lookEvery is how often files are looked at all the same: of a directory that
// was replaced, or the file behind a link, inotify tells nothing.
const lookEvery = time.Minute

// watched tells when files may have changed. It watches their directories,
// since editors replace a file instead of writing into it.
type watched struct {
	watcher *fsnotify.Watcher // nil where there is no inotify to be had
	paths   []string
	seen    []fs.FileInfo // of paths, when wait last returned; nil where there is no file
	warn    func(error)
}

func watchFiles(warn func(error), paths ...string) *watched {
	w := &watched{warn: warn}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		w.warn(fmt.Errorf("a change of the configuration is noticed a minute late: %w", err))
	}
	w.watcher = watcher
	for _, path := range paths {
		w.add(path)
	}
	return w
}

func (w *watched) add(path string) {
	if path = filepath.Clean(path); path == "." || slices.Contains(w.paths, path) {
		return
	}
	w.paths = append(w.paths, path)
	w.seen = append(w.seen, look(path))
	if w.watcher == nil {
		return
	}
	if err := w.watcher.Add(filepath.Dir(path)); err != nil {
		w.warn(fmt.Errorf("changes of %s are noticed a minute late: %w", path, err))
	}
}

func look(path string) fs.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// changed reports whether a file is another than when wait last returned.
func (w *watched) changed() bool {
	for i, path := range w.paths {
		was, is := w.seen[i], look(path)
		switch {
		case was == nil && is == nil:
		case was == nil, is == nil, !os.SameFile(was, is), !was.ModTime().Equal(is.ModTime()), was.Size() != is.Size(), was.Mode() != is.Mode():
			return true
		}
	}
	return false
}

// wait returns true when something has changed and been left alone since, and
// false when ctx has ended, after which w is closed.
func (w *watched) wait(ctx context.Context) bool {
	var events <-chan fsnotify.Event
	var errors <-chan error
	if w.watcher != nil {
		events, errors = w.watcher.Events, w.watcher.Errors
	}
	for i, path := range w.paths {
		w.seen[i] = look(path)
	}
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	late := time.NewTicker(lookEvery)
	defer late.Stop()
	for {
		select {
		case <-late.C:
			if w.changed() {
				return true
			}
		case <-ctx.Done():
			if w.watcher != nil {
				w.watcher.Close()
			}
			return false
		case e, ok := <-events:
			if !ok {
				events, errors = nil, nil // a closed one would be ready for ever
				continue
			}
			if slices.Contains(w.paths, filepath.Clean(e.Name)) { // what else is in the directory is no news
				settled.Reset(configSettle)
			}
		case err, ok := <-errors: // an overflow, say: look
			if !ok {
				events, errors = nil, nil
				continue
			}
			w.warn(err)
			settled.Reset(configSettle)
		case <-settled.C:
			return true
		}
	}
}

// followConfig hands changes of the configuration on until ctx ends: to changed
// when it is good, else to broken.
func followConfig(ctx context.Context, o runOptions, cfg config.Config, log *slog.Logger, changed func(config.Config), broken func(error)) {
	wasBroken := false
	files := watchFiles(func(err error) { log.Warn("watching the configuration", "error", err) }, o.configPath, cfg.SecretFile)
	for first := true; first || files.wait(ctx); first = false { // it may have changed before it was watched
		next, err := config.Load(o.configPath, o.streams.Env)
		if err != nil {
			wasBroken = true
			files.add(next.SecretFile)
			broken(err)
			continue
		}
		if reflect.DeepEqual(next, cfg) && !wasBroken {
			continue
		}
		cfg, wasBroken = next, false
		warnOf(cfg, log)
		files.add(cfg.SecretFile)
		changed(cfg)
	}
}

// followDisplays draws on the displays of the configuration, and on others
// when that changes, until ctx ends; for its error see runDisplay.
func (a *app) followDisplays(ctx context.Context) error {
	files := watchFiles(a.complain, a.configPath)
	displays, err := config.LoadDisplays(a.configPath)
	if err != nil {
		a.complain(err)
	}
	for ctx.Err() == nil {
		drawing, stop := context.WithCancel(ctx)
		var ended sync.WaitGroup
		var late error
		ended.Go(func() {
			defer stop()
			late = runDisplay(drawing, config.RuntimeDir(a.configPath), displays, a.Err)
		})
		for files.wait(drawing) {
			next, err := config.LoadDisplays(a.configPath)
			if err != nil {
				a.complain(err)
			} else if !reflect.DeepEqual(next, displays) {
				displays = next
				break
			}
		}
		stop()
		ended.Wait()
		if late != nil {
			return late
		}
	}
	return nil
}

// giveBackDisplays leaves the screens that a killed display process drew on to
// their consoles: as followDisplays, those that stand beside a mistake, too.
// After an orderly end there is nothing to do, as systemd says with
// SERVICE_RESULT (systemd.exec(5)).
func (a *app) giveBackDisplays(getenv func(string) string) error {
	if getenv("SERVICE_RESULT") == "success" {
		return nil
	}
	displays, err := config.LoadDisplays(a.configPath)
	return errors.Join(err, panel.GiveBack(displays))
}
