package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/lwa"

	"github.com/spf13/cobra"
)

// Names on the boot partition. What was taken over must not match the unit's
// ConditionPathExistsGlob=, or it would start at each boot.
const (
	provisionedConfig = "lwa-agent.toml"
	provisionedSecret = "lwa-agent.client_secret"
	takenConfig       = "lwa-agent-taken.toml"
	provisionResult   = "lwa-agent-RESULT.txt"
)

func (a *app) provisionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "provision [DIR]",
		Short: "Takes the configuration over from the boot partition",
		Long: `Takes lwa-agent.toml, and the client secret in lwa-agent.client_secret, over from
the boot partition: DIR, or else /boot/firmware or /boot. At each boot
lwa-agent-provision.service does so before the agent starts.

The configuration becomes /etc/lwa-agent/config.toml, and the one before is kept
as config.toml.old; on the partition it is called lwa-agent-taken.toml from then
on. The secret goes to /etc/credstore and is removed from the partition. What
became of it is said in lwa-agent-RESULT.txt beside them. A file with a mistake
in it changes nothing.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument %q", args[1])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dirs := bootDirs()
			if len(args) == 1 {
				dirs = args
			}
			err := a.provision(dirs)
			leaveNote(cardNote(config.RuntimeDir(a.configPath)), err != nil)
			return err
		},
	}
}

// provision takes over what the first of the directories has that has something.
func (a *app) provision(dirs []string) error {
	for _, dir := range dirs {
		p := provision{app: a, boot: dir, config: a.configPath, credential: credential}
		if found, err := p.run(); found || err != nil {
			return err
		}
	}
	a.say("there is nothing to take over in %s", strings.Join(dirs, " or "))
	return nil
}

// cardNote is the file that tells the agent with this runtime directory that its
// card was refused: beside it, where the unit may write, and in memory, since the
// next boot looks at the card anew.
func cardNote(runtimeDir string) string { return filepath.Clean(runtimeDir) + "-provision/refused" }

// leaveNote makes sure that the note is there, or is not. The exit status tells as
// well, so that failing here is no failure.
func leaveNote(path string, refused bool) {
	if !refused {
		_ = os.Remove(path)
		return
	}
	dir := filepath.Dir(path)
	_ = os.MkdirAll(dir, 0o755)
	_ = os.Chmod(dir, 0o755) // whatever the umask

	// A note that is there does, and a link is not followed.
	if note, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err == nil {
		_ = note.Close()
	}
}

// bootDirs are where boot partitions are mounted, the newer place first.
func bootDirs() []string { return []string{"/boot/firmware", "/boot"} }

// cureOfNoConfig says how a configuration comes to be. Where somebody has put one
// into one of the directories boot, and it was refused, another one is not the cure.
func cureOfNoConfig(boot []string) string {
	for _, dir := range boot {
		result := filepath.Join(dir, provisionResult)
		if _, err := os.Stat(result); err == nil {
			if f, err := findBootFile(dir, provisionedConfig); f != nil || err != nil {
				return "the one on the boot partition was not taken over: cat " + result
			}
		}
	}
	return "to write one: sudo lwa-agent setup"
}

// provision is one look at a boot partition.
type provision struct {
	*app
	boot               string // the directory
	config, credential string // what is written

	text   *bootFile // the configuration there; nil: none
	secret *bootFile
	done   []string // sentences for the report
}

// run takes over what is there. An error is in the report as well.
func (p *provision) run() (found bool, err error) {
	p.text, err = findBootFile(p.boot, provisionedConfig)
	if err == nil {
		p.secret, err = findBootFile(p.boot, provisionedSecret)
	}
	switch {
	case err != nil:
	case p.text == nil && p.secret == nil:
		return false, nil
	case p.isKnown():
		return true, nil
	default:
		err = p.takeOver()
	}
	return true, errors.Join(err, p.report(err))
}

func (p *provision) takeOver() error {
	text, secret, err := p.checked()
	if err != nil {
		return err
	}
	if err := p.write(text, secret); err != nil {
		return err
	}
	return p.clear()
}

// checked returns the configuration and the secret that are to be there
// afterwards, zero where they stay as they are. It changes nothing.
func (p *provision) checked() (text []byte, secret lwa.Secret, err error) {
	before, err := os.ReadFile(p.config)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, lwa.Secret{}, err
	}
	name := p.config
	switch {
	case p.text != nil:
		text, name = p.text.text, p.text.name
	case len(before) == 0:
		return nil, lwa.Secret{}, fmt.Errorf("there is a client secret, and no %s beside it; put one there, with client_id at least", provisionedConfig)
	}
	if p.secret != nil && !p.secret.isOverwritten() {
		if secret, err = config.Secret(p.secret.name, p.secret.text); err == nil && secret.IsZero() {
			err = fmt.Errorf("%s is empty; write the client secret into it, or remove it", p.secret.name)
		}
		if err != nil {
			return nil, lwa.Secret{}, err
		}
	}
	inUse := secret
	if kept, err := os.ReadFile(p.credential); err == nil && secret.IsZero() && !p.isOtherClient(before) {
		if inUse, err = config.Secret(p.credential, kept); err != nil {
			return nil, lwa.Secret{}, err
		}
	}
	checked := text
	if text == nil {
		checked = before
	}
	c, err := config.Check(name, checked, inUse, noEnvironment)
	if err != nil {
		return nil, lwa.Secret{}, err
	}
	for _, warning := range c.Warnings {
		p.done = append(p.done, "To know: "+warning)
	}
	return text, secret, nil
}

// isOtherClient reports whether the new configuration is of another client id:
// a secret that is there then belongs to the one before.
func (p *provision) isOtherClient(before []byte) bool {
	if p.text == nil || len(before) == 0 {
		return false
	}
	was, err := config.Texts(p.config, before)
	now, broken := config.Texts(p.text.name, p.text.text)
	return err == nil && broken == nil && was["client_id"] != now["client_id"]
}

// write puts both into their places, once all is complete and on the disk. The
// secret comes first, for a configuration without its secret would link in another
// way. Where the power goes in between, the card is as it was, and the next boot
// does it again.
func (p *provision) write(text []byte, secret lwa.Secret) error {
	before, err := os.ReadFile(p.config)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var old, credential, file *newFile
	defer func() { old.discard(); credential.discard(); file.discard() }()
	err = nil
	if !secret.IsZero() {
		credential, err = create(p.credential, 0o600, 0o700, []byte(secret.Reveal()+"\n"))
	}
	if changed := text != nil && !bytes.Equal(text, before); err == nil && changed {
		// 0644: "lwa-agent display" is another user, and there is no secret in it.
		file, err = create(p.config, 0o644, 0o755, text)
	}
	if err == nil && file != nil && before != nil {
		if old, err = p.asBefore(before); err == nil {
			err = old.place()
		}
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	if credential != nil {
		if err := credential.place(); err != nil {
			return fmt.Errorf("%w; nothing was changed", err)
		}
		p.done = append(p.done, "The client secret was taken over.")
	}
	if file == nil {
		return nil
	}
	if secret.IsZero() && p.isOtherClient(before) {
		if err := os.Rename(p.credential, oldName(p.credential)); err == nil {
			p.done = append(p.done, "The client secret of the client id before is kept in "+oldName(p.credential)+".")
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w; the configuration was not changed", err)
		}
	}
	if err := file.place(); err != nil {
		return fmt.Errorf("%w; the configuration was not changed", err)
	}
	p.done = append(p.done, "The configuration was taken over from "+p.text.name+".")
	return nil
}

// asBefore is the configuration of before under another name, for the same eyes.
func (p *provision) asBefore(text []byte) (*newFile, error) {
	info, err := os.Stat(p.config)
	if err != nil {
		return nil, err
	}
	old, err := create(oldName(p.config), 0o600, 0o755, text)
	if err == nil {
		err = old.belong(info)
	}
	return old, err
}

// known is where it is noted what was taken from a partition that cannot be
// written: it would undo at each boot what somebody has changed since.
func (p *provision) known() string { return filepath.Join(filepath.Dir(p.config), "provisioned") }

func (p *provision) isKnown() bool {
	noted, err := os.ReadFile(p.known())
	return err == nil && strings.TrimSpace(string(noted)) == p.hash()
}

// hash is of both files.
func (p *provision) hash() string {
	var hashes [2]string
	for n, f := range []*bootFile{p.text, p.secret} {
		if f != nil {
			hashes[n] = lwa.NewSecret(string(f.text)).Hash()
		}
	}
	return lwa.NewSecret(strings.Join(hashes[:], " ")).Hash()
}
