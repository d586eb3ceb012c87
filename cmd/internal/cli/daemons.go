package cli

import (
	"errors"
	"os"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/display/panel"

	"github.com/spf13/cobra"
)

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Runs the daemon in the foreground",
		Long: `Runs the daemon in the foreground: what systemd starts (Type=notify). It needs no
network and no link to start, and goes on until it is stopped.

--transcript writes what goes to Amazon and what comes back into a new file of at
most 16 MiB, with every secret replaced by its kind, its length and a hash, so that
it can be shown to others. Where that cannot be done it is said, and the daemon
runs all the same.`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.streams, o.configPath = a.Streams, a.configPath
			return runAgent(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.display, "display", false, "draw on the displays too, for a try at a terminal")
	cmd.Flags().StringVar(&o.transcript, "transcript", "", "write down what goes to and comes from Amazon")
	return cmd
}

// runOptions are those of "lwa-agent run".
type runOptions struct {
	streams    Streams
	configPath string
	display    bool   // draw in this process as well
	transcript string // a new file; none if empty
}

func (a *app) displayCommand() *cobra.Command {
	var test, list, giveBack bool
	cmd := &cobra.Command{
		Use:   "display",
		Short: "Draws what the daemon says on the configured displays",
		Long: `Draws what the daemon says on the displays that config.toml names, with none there
on the framebuffer or the virtual console that can be seen, until it is stopped. It
needs neither network nor secrets. A display or a daemon that is not there is
waited for.

--list prints the displays, buses and terminals of this device as lines for
config.toml, and what is missing for others. --test draws a test card and every
screen on the configured displays and says what can be seen: what to run after
wiring a panel.`,
		Example: `  lwa-agent display --list
  sudo systemctl stop lwa-agent-display && sudo lwa-agent display --test`,
		Args: noArgs(func() error {
			if test && list {
				return errors.New("--test and --list are given; leave one out")
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case list:
				found, missing := panel.List()
				a.listDisplays(found, missing)
				return nil
			case test:
				displays, err := config.LoadDisplays(a.configPath)
				if err != nil {
					return err
				}
				return a.tryDisplays(cmd.Context(), displays)
			case giveBack:
				return a.giveBackDisplays(os.Getenv)
			}
			return a.followDisplays(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&giveBack, "give-back", false, "leave screens to their consoles after a crash")
	_ = cmd.Flags().MarkHidden("give-back") // it exists: for ExecStopPost= alone
	cmd.Flags().BoolVar(&test, "test", false, "draw a test card and every screen, then end")
	cmd.Flags().BoolVar(&list, "list", false, "print the displays that were found, as lines for config.toml")
	return cmd
}
