package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Prints the version, from the build info",
		Args:  noArgs(anyFlags),
		RunE: func(*cobra.Command, []string) error {
			a.say("lwa-agent %s", buildVersion())
			return nil
		},
	}
}

// buildVersion is what the toolchain recorded in the binary: version, revision,
// Go, architecture.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Sprintf("(unknown) %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := cmp.Or(settings["vcs.revision"], "unknown revision")
	revision = revision[:min(len(revision), 16)]
	if settings["vcs.modified"] == "true" {
		revision += ", modified"
	}
	arch := runtime.GOARCH
	if arm := settings["GOARM"]; arm != "" && arch == "arm" {
		arch += " v" + arm
	}
	return fmt.Sprintf("%s (%s) %s %s/%s", cmp.Or(info.Main.Version, "(devel)"), revision, info.GoVersion, runtime.GOOS, arch)
}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Prints completions for a shell",
		Example:   `  . <(lwa-agent completion bash)`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] != "bash" && args[0] != "zsh" && args[0] != "fish" {
				return fmt.Errorf("which shell? bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "zsh":
				return cmd.Root().GenZshCompletion(a.Out)
			case "fish":
				return cmd.Root().GenFishCompletion(a.Out, true)
			default:
				return cmd.Root().GenBashCompletionV2(a.Out, true)
			}
		},
	}
}

// shortVersion is the module's version alone, for the status.
func shortVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	return cmp.Or(info.Main.Version, "(devel)")
}
