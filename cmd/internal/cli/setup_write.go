package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"lwa-agent/cmd/internal/config"
)

// credential is where the unit's LoadCredential= finds the client secret.
const credential = "/etc/credstore/lwa-agent.client_secret"

// oldName is that under which a file is kept that is replaced.
func oldName(path string) string { return path + ".old" }

// secretPath is where a client secret goes: beside the configuration, unless
// systemd hands it to the agent.
func (s *setup) secretPath() string {
	if s.unit {
		return credential
	}
	return filepath.Join(filepath.Dir(s.path), "client_secret")
}

// hasSecret reports whether a client secret is there that the agent would find.
func (s *setup) hasSecret() bool {
	isThere := func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() > 0
	}
	return isThere(s.texts["client_secret_file"]) || s.unit && isThere(credential)
}

// parsed returns the configuration file of the answers, more, and the secret in
// a file, if the daemon would take it.
func (s *setup) parsed(secretFile string, more ...config.Setting) (text []byte, err error) {
	settings := slices.Concat(s.settings, more)
	text, err = config.Set(s.path, s.before, append(settings, config.Setting{Path: "client_secret_file", Text: secretFile})...)
	if err == nil {
		_, err = config.Parse(s.path, text, noEnvironment)
	}
	return text, err
}

// write puts the secret and the configuration in their places: both are
// complete, on the disk and found good beside them before the first is renamed.
func (s *setup) write() error {
	secret, err := s.newSecret()
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	defer secret.discard()
	file, err := s.newConfig(secret)
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	defer file.discard()
	for _, f := range []*newFile{secret, file} {
		if f == nil {
			continue
		}
		if err := f.place(); err != nil {
			if f == file && secret != nil {
				err = fmt.Errorf("%w; %s was replaced, the configuration was not", err, secret.path)
			}
			return err
		}
		s.say("written: %s", f.path)
	}
	if file == nil {
		s.say("as it was: %s", s.path)
	}
	return s.putAway()
}

// newSecret writes the secret that was answered beside its place, nil where there
// is none.
func (s *setup) newSecret() (*newFile, error) {
	if s.secret.IsZero() {
		return nil, nil
	}
	directory := os.FileMode(0o755) // the configuration's, which others read
	if s.unit {
		directory = 0o700
	}
	return create(s.secretPath(), 0o600, directory, []byte(s.secret.Reveal()+"\n"))
}

// newConfig writes the configuration beside its place, nil where it is to stay as
// it is, and keeps the one of before.
func (s *setup) newConfig(secret *newFile) (*newFile, error) {
	secretFile := ""
	switch {
	case s.keepsFile:
		secretFile = s.texts["client_secret_file"]
	case secret != nil:
		// Not in its place yet, where the daemon will look.
		if _, err := s.parsed(secret.tmp); err != nil {
			return nil, err
		}
		if !s.unit {
			secretFile = secret.path
		}
	}
	text, err := s.parsed("")
	if err == nil {
		text, err = config.Set(s.path, text, config.Setting{Path: "client_secret_file", Text: secretFile})
	}
	switch {
	case err != nil:
		return nil, err
	case s.before == nil:
		text = append([]byte("# Written by lwa-agent setup. All settings with their defaults:\n# /usr/share/doc/lwa-agent/config.example.toml\n"), text...)
	case bytes.Equal(text, s.before):
		return nil, nil
	}
	// 0644: "lwa-agent display" is another user, and there is no secret in it.
	file, err := create(s.path, 0o644, 0o755, text)
	if err != nil {
		return nil, err
	}
	if err := s.keepOld(file); err != nil {
		file.discard()
		return nil, err
	}
	return file, nil
}

// keepOld keeps the file of before, and its owner and mode for the new one.
func (s *setup) keepOld(file *newFile) error {
	if s.before == nil {
		return nil
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	kept, err := create(oldName(s.path), 0o600, 0o755, s.before)
	if err != nil {
		return err
	}
	defer kept.discard()
	for _, f := range []*newFile{kept, file} {
		if err := f.belong(info); err != nil {
			return err
		}
	}
	if err := kept.place(); err != nil {
		return err
	}
	s.say("kept: %s, as it was before", oldName(s.path))
	return nil
}

// putAway takes from systemd a secret that a client id without one must not get.
func (s *setup) putAway() error {
	if s.tab != tabDevices || !s.unit {
		return nil
	}
	err := os.Rename(credential, oldName(credential))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err == nil:
		s.say("kept: %s, which is not used with this client id", oldName(credential))
	}
	return err
}

// newFile is one that is complete and not in its place yet.
type newFile struct{ path, tmp string }

// create writes a file beside path, in a directory that is made where it is missing.
func create(path string, mode, directory os.FileMode, text []byte) (f *newFile, err error) {
	if err := os.MkdirAll(filepath.Dir(path), directory); err != nil {
		return nil, err
	}
	out, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	f = &newFile{path, out.Name()}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Chmod(mode), out.Sync(), out.Close()); err != nil {
		f.discard()
		return nil, err
	}
	return f, nil
}

func (f *newFile) belong(info os.FileInfo) error {
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(f.tmp, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(f.tmp, info.Mode().Perm())
}

// place renames the file into its place, for good: the directory is synced.
func (f *newFile) place() error {
	if err := os.Rename(f.tmp, f.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// discard removes a file that did not come to its place.
func (f *newFile) discard() {
	if f != nil {
		os.Remove(f.tmp)
	}
}
