package cli

import "github.com/spf13/cobra"

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Runs the daemon in the foreground",
		Long: `Runs the daemon in the foreground: what systemd starts (Type=notify). It needs no
network and no link to start, and goes on until it is stopped.`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.streams, o.configPath = a.Streams, a.configPath
			return runAgent(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.display, "display", false, "draw on the displays too, for a try at a terminal")
	return cmd
}

// runOptions are those of "lwa-agent run".
type runOptions struct {
	streams    Streams
	configPath string
	display    bool // draw in this process as well
}

func (a *app) displayCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "display",
		Short: "Draws what the daemon says on the configured displays",
		Long: `Draws what the daemon says on the displays that config.toml names, with none there
on the virtual console that can be seen, until it is stopped. It needs neither
network nor secrets. A display or a daemon that is not there is waited for.`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.followDisplays(cmd.Context())
			return nil
		},
	}
}
