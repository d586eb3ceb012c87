package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/cmd/internal/doctor"
	"lwa-agent/display/panel"

	"github.com/spf13/cobra"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	var transcript string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Looks at the whole device and says what is wrong, and the cure",
		Long: `Looks at configuration, rights, files, clock, network, Amazon, displays and units,
and prints a line for each, with the cause and the cure of what is not well. It
takes a few seconds, changes nothing, and needs no agent that runs. root sees all
of it; for others "unseen" says what they may not look at.

What it prints can be shown to others: no secret, no account, no whole client id
is in it. --transcript writes what goes to Amazon and what comes back, too, with
every secret replaced by its kind, its length and a hash.

Exit status 1 with at least one fault.`,
		Example: `  sudo lwa-agent doctor
  lwa-agent doctor --json | jq -r '.findings[] | select(.level=="fault").cure'`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.doctor(cmd.Context(), asJSON, transcript)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	cmd.Flags().StringVar(&transcript, "transcript", "", "write down what goes to and comes from Amazon")
	return cmd
}

func (a *app) doctor(ctx context.Context, asJSON bool, transcript string) (err error) {
	p := doctor.Patient{
		ConfigPath: a.configPath, Env: a.Env, Version: shortVersion(), Built: builtAt(),
		Proxy: doctor.ProxyFromEnvironment, Resolver: net.DefaultResolver, Panels: panel.List, Patience: doctor.Patience,
	}
	if a.configPath == config.DefaultPath {
		p.Secrets = []string{
			"/run/credentials/" + agentUnit + "/client_secret", "/etc/credstore/lwa-agent.client_secret",
			"/run/credstore/lwa-agent.client_secret", "/usr/lib/credstore/lwa-agent.client_secret",
		}
	}
	if transcript != "" {
		record, end, openErr := openTranscript(transcript)
		if openErr != nil {
			return openErr
		}
		defer func() {
			if lost := end(); lost != nil { // after a fault nothing else would be said
				err = lost
			}
		}()
		p.Through = record.Through
	}
	r := doctor.Examine(ctx, p)
	if err := ctx.Err(); err != nil {
		return err
	}
	if asJSON {
		err = json.NewEncoder(a.Out).Encode(r)
	} else {
		_, err = fmt.Fprint(a.Out, doctorText(r))
	}
	if err == nil && r.Level == doctor.Fault {
		return errQuiet
	}
	return err
}

// doctorText is the report for people: one screen where all is well.
func doctorText(r doctor.Report) string {
	var t strings.Builder
	count := map[doctor.Level]int{}
	last := ""
	for _, f := range r.Findings {
		count[f.Level]++
		name := f.Check
		if name == last {
			name = ""
		}
		last = f.Check
		fmt.Fprintf(&t, "%-8s %-9s %s\n", f.Level, name, printable(f.Message))
		if f.Cure != "" {
			fmt.Fprintf(&t, "%18s %s\n", "", printable(f.Cure))
		}
	}
	var parts []string
	for _, c := range []struct {
		level     doctor.Level
		one, many string
	}{{doctor.Fault, "fault", "faults"}, {doctor.Warning, "warning", "warnings"}, {doctor.Unseen, "unseen", "unseen"}} {
		switch n := count[c.level]; n {
		case 0:
		case 1:
			parts = append(parts, "1 "+c.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, c.many))
		}
	}
	if len(parts) == 0 {
		parts = []string{"all is well"}
	}
	fmt.Fprintf(&t, "%s\n", strings.Join(parts, ", "))
	return t.String()
}

// builtAt is when the source of this program was committed; zero where the
// toolchain did not record it.
func builtAt() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return time.Time{}
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ := time.Parse(time.RFC3339, s.Value) // zero if it is none
			return at
		}
	}
	return time.Time{}
}
