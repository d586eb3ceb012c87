// Package cli is lwa-agent's command line. Each command but run and display
// talks to the agent's socket and holds nothing itself.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/cmd/internal/socket"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit statuses; they are part of the contract.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitNotLinked = 3
)

// Streams is all of the process that a command uses.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) string
}

// Main runs the command line args, without the program's name, and returns the
// exit status: 0 done, 1 failed, 2 usage, 3 not linked. When ctx ends, the
// command does too. A read of Streams.In may outlive it.
func Main(ctx context.Context, args []string, streams Streams) int {
	a := &app{Streams: streams}
	root := a.root()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errQuiet), a.started && ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitFailed
	case !a.started:
		a.complain(fmt.Errorf("%w; see: %s --help", err, command.CommandPath()))
		return exitUsage
	}
	if _, missing := os.Stat(a.configPath); errors.Is(err, socket.ErrNotRunning) && errors.Is(missing, fs.ErrNotExist) {
		var boot []string
		if a.configPath == config.DefaultPath {
			boot = bootDirs()
		}
		err = fmt.Errorf("the agent is not running, since there is no %s; %s", a.configPath, cureOfNoConfig(boot))
	}
	a.complain(err)
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.status
	}
	return exitFailed
}

// exitError is an error with another exit status than 1.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// errQuiet ends a command of which everything was said.
var errQuiet = errors.New("said already")

type app struct {
	Streams
	configPath string
	started    bool // the arguments were right, so what fails now is no usage error
}

// Commands is the whole command line, for what describes it.
func Commands(streams Streams) *cobra.Command { return (&app{Streams: streams}).root() }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lwa-agent",
		Short: "Links this device to an Amazon account and keeps its access token fresh",
		Long: `lwa-agent links this device to an Amazon account (Login with Amazon) by a QR
code, keeps the access token fresh, and hands it to other programs.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 not linked.`,
		Example: `  lwa-agent link        shows the QR code and waits until somebody has signed in
  lwa-agent status      what is going on, and what to do
  curl -H "Authorization: Bearer $(lwa-agent token)" https://…`,
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true, // of several lines; see the arguments below
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRun:   func(*cobra.Command, []string) { a.started = true },
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no command given")
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return fmt.Errorf("unknown command %q, did you mean %s?", args[0], near[0])
			}
			return fmt.Errorf("unknown command %q", args[0])
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().StringVar(&a.configPath, "config", config.DefaultPath, "configuration file")
	root.AddCommand(
		a.setupCommand(), a.runCommand(), a.displayCommand(),
		a.linkCommand(), a.relinkCommand(), a.unlinkCommand(), a.codeCommand(), a.importCommand(),
		a.statusCommand(), a.doctorCommand(), a.tokenCommand(), a.watchCommand(), a.waitCommand(),
		a.installCommand(), a.uninstallCommand(), a.provisionCommand(),
		a.redirectPageCommand(), a.versionCommand(), a.completionCommand(),
	)
	return root
}

// reconnectEvery is how often an agent that is not there is looked for.
const reconnectEvery = 250 * time.Millisecond

func (a *app) socket() *socket.Socket {
	return socket.New(filepath.Join(config.RuntimeDir(a.configPath), "agent.sock"))
}

// pause reports whether d passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *app) complain(err error) {
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(a.Err, "lwa-agent: %s\n", printable(strings.TrimSuffix(line, "\n")))
	}
}

// say writes one line for people. What stands in it may come from the network:
// a terminal must not take it for commands.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.Out, printable(fmt.Sprintf(format, args...)))
}

// printable replaces everything that is not one printable character.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\ufffd'
	}, text)
}

// isTerminal reports whether stream is one that a person sits at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
