package cli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"syscall"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/config"

	"github.com/fsnotify/fsnotify"
)

// configSettle is how long the file must be left alone before it is read: an
// editor writes more than once.
const configSettle = 300 * time.Millisecond

// followConfig hands changes of the configuration to the agent until ctx ends.
// It watches the directories of the file and of the client secret, since
// editors replace a file instead of writing into it, and listens to SIGHUP for
// where no change can be noticed.
func followConfig(ctx context.Context, o runOptions, cfg config.Config, log *slog.Logger, a *agent.Agent, base agent.Config) {
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)

	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("a change of the configuration is not noticed; send SIGHUP after one", "error", err)
		watcher = &fsnotify.Watcher{} // its channels are nil: nothing ever comes
	} else {
		defer watcher.Close()
	}
	watch := func(path string) {
		if path == "" || watcher.Events == nil {
			return
		}
		if err := watcher.Add(filepath.Dir(path)); err != nil {
			log.Warn("changes of a file are not noticed; send SIGHUP after one", "file", path, "error", err)
		}
	}
	watch(o.configPath)
	watch(cfg.SecretFile)

	broken := false
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-watcher.Events:
			settled.Reset(configSettle)
			continue
		case err := <-watcher.Errors: // an overflow, say: look
			log.Warn("watching the configuration", "error", err)
			settled.Reset(configSettle)
			continue
		case <-hangUp:
		case <-settled.C:
		}
		next, err := config.Load(o.configPath, o.streams.Env)
		if err != nil {
			broken = true
			a.ConfigBroken(err)
			continue
		}
		if reflect.DeepEqual(next, cfg) && !broken {
			continue
		}
		cfg, broken = next, false
		watch(cfg.SecretFile)
		c := agentConfig(cfg, o.streams.Env)
		c.Client.Transport = base.Client.Transport
		a.Reconfigure(ctx, c)
	}
}
