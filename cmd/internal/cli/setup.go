package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/lwa"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func (a *app) setupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Asks what it needs, writes the configuration, starts the agent, links",
		Long: `Says what to do in Amazon's console, asks for what comes from there, writes the
configuration, starts the agent and shows the link. Enter takes what stands in
brackets; Ctrl-C before the last answer leaves everything as it was. Settings that
it does not ask for, and comments, stay; the file of before is kept beside it as
config.toml.old.

Every answer is also a flag, and what is given is not asked. Without a terminal
nothing is asked: --tab and --client-id are needed, with --tab 2 also
--client-secret-file, and --yes to replace a client id; the link is printed and
not waited for.`,
		Example: `  sudo lwa-agent setup
  lwa-agent setup --tab 1 --client-id amzn1.application-oa2-client.… --no-start
  lwa-agent setup --tab 2 --client-id … --client-secret-file - --yes < secret`,
	}
	f := cmd.Flags()
	f.String("tab", "", "`1` \"Other devices and platforms\" or 2 \"Web settings\"")
	f.String("client-id", "", "client `ID` made in that tab")
	f.String("client-secret-file", "", "`FILE` with the client secret, or - to read it (tab 2)")
	f.String("redirect-uri", "", "`URL` of the Allowed Return URLs (tab 2)")
	f.String("product-id", "", "product `ID`, for Alexa only")
	f.String("display", "", "`DRIVER`, or DRIVER:DEVICE, or none")
	f.String("region", "", "`na`, eu or fe; never asked, na unless configured")
	f.String("user", "", "`NAME` of who joins the group "+agentGroup)
	f.Bool("no-user", false, "let nobody join it")
	f.Bool("no-start", false, "do not start it")
	f.Bool("yes", false, "replace the client id that is configured")
	cmd.Args = noArgs(func() error { return contradiction(cmd) })
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s := &setup{app: a, command: cmd, terminal: isTerminal(a.In) && isTerminal(a.Out)}
		return s.run(cmd.Context())
	}
	return cmd
}

// contradiction reports flags that cannot both be meant.
func contradiction(cmd *cobra.Command) error {
	f := cmd.Flags()
	if f.Changed("user") && f.Changed("no-user") {
		return errors.New("--user and --no-user are given; leave one out")
	}
	tab := f.Lookup("tab").Value.String()
	if f.Changed("tab") && tab != tabDevices && tab != tabWeb {
		return fmt.Errorf(`--tab is %q; write 1 for "Other devices and platforms" or 2 for "Web settings"`, tab)
	}
	for _, name := range []string{"client-secret-file", "redirect-uri"} {
		if tab == tabDevices && f.Changed(name) {
			return fmt.Errorf("--%s belongs to --tab 2", name)
		}
	}
	return nil
}

// setup is one run of the command.
type setup struct {
	*app
	command  *cobra.Command
	terminal bool // somebody can be asked

	// What is there before. path is the file itself where --config is a link to it.
	path   string
	before []byte            // nil: there is no file yet
	texts  map[string]string // of the file, by path
	unit   bool              // systemd's unit reads this file

	// What was answered.
	settings  []config.Setting
	tab       string
	secret    lwa.Secret // zero: none, or the one that is there
	keepsFile bool       // client_secret_file stays as it is
	user      string     // who joins the group; empty: nobody
}

func (s *setup) run(ctx context.Context) error {
	if err := s.look(); err != nil {
		return err
	}
	if err := s.checkFlags(ctx); err != nil {
		return &exitError{exitUsage, err}
	}
	if err := s.ask(ctx); err != nil {
		return err
	}
	if err := s.write(); err != nil {
		return err
	}
	s.join(ctx)
	return s.start(ctx)
}

// look finds out what is there, and that it can be changed, before anybody has
// typed anything.
func (s *setup) look() error {
	var err error
	if s.path, err = filepath.Abs(s.configPath); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(s.path); err == nil {
		s.path = real
	}
	s.unit = unitReads(s.configPath)
	if err := s.mayWrite(); err != nil {
		return err
	}
	info, err := os.Stat(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file; move it away", s.path)
	case err == nil && info.Size() > config.MaxSize:
		return fmt.Errorf("%s is larger than 64 KiB, so it is no configuration; move it away", s.path)
	case err == nil:
		s.before, err = os.ReadFile(s.path)
	}
	if err != nil {
		return fmt.Errorf("the configuration of before cannot be read: %w", err)
	}
	s.texts, err = config.Texts(s.path, s.before)
	return err
}

// mayWrite reports a directory that cannot be written.
func (s *setup) mayWrite() error {
	dir := filepath.Dir(s.path)
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	err := unix.Access(dir, unix.W_OK)
	switch {
	case s.unit && os.Geteuid() != 0, errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("setup has to write %s; run it as root: sudo lwa-agent %ssetup", s.path, s.configFlag())
	case err != nil:
		return fmt.Errorf("%s cannot be written: %w; nothing was changed", dir, err)
	}
	return nil
}

// configFlag is what a command of this configuration needs before its name.
func (s *setup) configFlag() string {
	if s.configPath == config.DefaultPath {
		return ""
	}
	return "--config " + s.configPath + " "
}
