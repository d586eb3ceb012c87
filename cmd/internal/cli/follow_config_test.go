package cli

import (
	"context"
	"testing"
)

func TestWatcherThatWasClosedIsNotAskedForEver(t *testing.T) {
	w := watchFiles(func(err error) { t.Errorf("warned of %v", err) }, t.TempDir()+"/config.toml")
	if w.watcher == nil {
		t.Skip("no inotify here")
	}
	if err := w.watcher.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*configSettle)
	defer cancel()
	if w.wait(ctx) {
		t.Error("a change, though nobody can see one")
	}
}
