package agent

import (
	"context"
	"slices"
	"strings"
)

// ConfigBroken tells that the configuration changed and is wrong. The agent
// goes on with the one from before and says so.
func (a *Agent) ConfigBroken(err error) {
	a.tell(configBroken{strings.ReplaceAll(err.Error(), "\n", "; also "), "the configuration from before stays in use until this is mended"})
}

// Reconfigure takes a changed configuration over. A link that fits it stays.
func (a *Agent) Reconfigure(ctx context.Context, cfg Config) {
	job := func() {
		movedDirs := cfg.StateDir != a.cfg.StateDir || cfg.RuntimeDir != a.cfg.RuntimeDir
		movedInbox := !slices.Equal(cfg.Inbox, a.cfg.Inbox)
		a.dropTokenFiles(cfg.TokenFiles)
		a.cfg.Client, a.cfg.Method, a.cfg.Code, a.cfg.BootSpread = cfg.Client, cfg.Method, cfg.Code, cfg.BootSpread
		a.cfg.Inbox, a.cfg.TokenFiles, a.cfg.Access = cfg.Inbox, cfg.TokenFiles, cfg.Access
		a.takeRules(resolve(cfg.Access))
		a.client = &cfg.Client // not over the old one, which the machine compares with
		_ = a.keepSerial()     // tried again before the next save
		a.handle(configured{a.settings()})
		if movedDirs {
			a.handle(configBroken{"state_dir and runtime_dir are taken over at the next start only", "restart the agent: systemctl restart lwa-agent"})
		}
		if movedInbox {
			a.watchInbox(ctx)
		}
		a.handle(a.keepAccess(a.m.access))
	}
	select {
	case a.jobs <- job:
	case <-a.ended:
	case <-ctx.Done():
	}
}
