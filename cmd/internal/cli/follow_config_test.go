package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestChangesThatInotifyIsSilentAboutAreFound(t *testing.T) {
	for name, change := range map[string]func(dir, path string) error{
		"the directory was replaced": func(dir, path string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			return os.WriteFile(path, []byte("x = 2\n"), 0o644)
		},
		"the file behind the link was edited": func(dir, _ string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(dir), "elsewhere.toml"), []byte("x = 22\n"), 0o644)
		},
		"it was made readable": func(_, path string) error { return os.Chmod(path, 0o604) },
		"it was removed":       func(_, path string) error { return os.Remove(path) },
	} {
		top := t.TempDir()
		dir := filepath.Join(top, "etc")
		path := filepath.Join(dir, "config.toml")
		target := filepath.Join(top, "elsewhere.toml")
		for _, err := range []error{os.Mkdir(dir, 0o755), os.WriteFile(target, []byte("x = 1\n"), 0o644), os.Symlink(target, path)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		w := watchFiles(func(err error) { t.Error(err) }, path)
		if w.changed() {
			t.Errorf("%s: changed before anything was", name)
		}
		if err := change(dir, path); err != nil {
			t.Fatal(err)
		}
		if !w.changed() {
			t.Errorf("%s: not noticed; the configuration from before would stay in use for ever", name)
		}
		w.watcher.Close()
	}
}
