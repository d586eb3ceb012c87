package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/cmd/internal/image"
	"lwa-agent/systemd"

	"github.com/spf13/cobra"
)

func (a *app) installCommand() *cobra.Command {
	var root, binary string
	var check, noEnable bool
	cmd := &cobra.Command{
		Use:   "install --root DIR",
		Short: "Writes the program and its units into the root of an image",
		Long: `Writes what the Debian package would into the root directory of a system that does
not run (Yocto, Buildroot, pi-gen): the program, units, users, directories and
device rules, completions and examples. The units start at boot, once there is a
/etc/lwa-agent/config.toml; systemd makes users and directories then.

An image that carries a machine id, a link, the key of one or a serial number is
refused, since all devices made from it would have the same; so is a mistake in its
configuration. Put --check at the end of your build: it only looks, and says
nothing if all is well.`,
		Example: `  lwa-agent install --root "$ROOTFS_DIR"
  lwa-agent install --root output/target --binary dist/build/armhf/lwa-agent`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			img, err := image.Open(root)
			if err != nil {
				return err
			}
			defer img.Close()
			if check {
				return errors.Join(img.Complete(), img.Carries())
			}
			if err := img.Carries(); err != nil {
				return err
			}
			return a.install(cmd, img, binary, noEnable)
		},
	}
	cmd.Args = noArgs(func() error {
		if root == "" {
			return errors.New("--root is missing; on a running system install the package")
		}
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&root, "root", "", "root `DIR` of the image")
	f.StringVar(&binary, "binary", "", "`FILE` to install as the program; default: this one")
	f.BoolVar(&noEnable, "no-enable", false, "do not start the units at boot")
	f.BoolVar(&check, "check", false, "only look: is it there, and nothing that must not be?")
	return cmd
}

func (a *app) install(cmd *cobra.Command, img *image.Image, binary string, noEnable bool) error {
	if binary == "" {
		own, err := os.Executable()
		if err != nil {
			return fmt.Errorf("this program's own file is not known: %w; name one with --binary", err)
		}
		binary = own
	}
	if err := img.Fits(binary); err != nil {
		return err
	}
	program, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer program.Close()
	files, err := ownFiles(cmd.Root())
	if err != nil {
		return err
	}
	if err := img.Install(program, files, !noEnable); err != nil {
		return err
	}
	a.say("installed, with %s as the program", binary)
	if noEnable {
		a.say("the units are not started at boot, as you wished")
	}
	return nil
}

func (a *app) uninstallCommand() *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use:   "uninstall --root DIR",
		Short: "Takes out of an image what install has written",
		RunE: func(cmd *cobra.Command, _ []string) error {
			img, err := image.Open(root)
			if err != nil {
				return err
			}
			defer img.Close()
			files, err := ownFiles(cmd.Root())
			if err != nil {
				return err
			}
			left, err := img.Uninstall(files)
			if err != nil {
				return err
			}
			a.say("uninstalled")
			for _, path := range left {
				a.say("left, for it is yours: %s", path)
			}
			return nil
		},
	}
	cmd.Args = noArgs(func() error {
		if root == "" {
			return errors.New("--root is missing; on a running system remove the package")
		}
		return nil
	})
	cmd.Flags().StringVar(&root, "root", "", "root `DIR` of the image")
	return cmd
}

// ownFiles are those that the program makes itself.
func ownFiles(root *cobra.Command) ([]systemd.File, error) {
	var bash, zsh, fish bytes.Buffer
	if err := errors.Join(root.GenBashCompletionV2(&bash, true), root.GenZshCompletion(&zsh), root.GenFishCompletion(&fish, true)); err != nil {
		return nil, err
	}
	return []systemd.File{
		{Path: "usr/share/bash-completion/completions/lwa-agent", Text: bash.String()},
		{Path: "usr/share/zsh/vendor-completions/_lwa-agent", Text: zsh.String()},
		{Path: "usr/share/fish/vendor_completions.d/lwa-agent.fish", Text: fish.String()},
		{Path: "usr/share/doc/lwa-agent/config.example.toml", Text: config.Example},
	}, nil
}
