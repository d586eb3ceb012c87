package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// dropped is the file as the loop gets it.
func dropped(t *testing.T, path string) droppedFile {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	return identify(filepath.Dir(path), filepath.Base(path), &st)
}

func TestTakenFileIsReplacedByItsResult(t *testing.T) {
	dir := t.TempDir()
	path, result := filepath.Join(dir, "code"), filepath.Join(dir, "RESULT.txt")
	old := unix.Umask(0o077) // as the service runs
	defer unix.Umask(old)
	for _, words := range []string{"Linked to Ana.", "This code was tried before."} {
		write(t, path, droppedText)
		must(t, dropped(t, path).take(kernel{}, words))
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("the code is still there: %v", err)
		}
		text, err := os.ReadFile(result)
		must(t, err)
		lines := strings.Split(string(text), "\n")
		if len(lines) != 3 || lines[0] != words || lines[2] != "" {
			t.Fatalf("RESULT.txt reads %q, want %q, the date, and a line end", text, words)
		}
		if at, err := time.ParseInLocation("2006-01-02 15:04:05 MST", lines[1], time.Local); err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("dated %q (%v), want now", lines[1], err)
		}
		st, err := os.Stat(result)
		must(t, err)
		if st.Mode().Perm() != 0o644 {
			t.Errorf("RESULT.txt has mode %o, want 644: it is for the person who dropped the code", st.Mode().Perm())
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left behind: %v, want RESULT.txt only", names)
	}
	must(t, droppedFile{dir: dir, name: "gone"}.take(kernel{}, "It was removed meanwhile, and the result is news all the same."))
}

func TestWhatWasDroppedMeanwhileIsNotTaken(t *testing.T) {
	const later = "BBBBBBBBBBBBBBBBBBBB"
	for name, change := range map[string]func(path string) error{
		"moved over": func(path string) error {
			if err := os.WriteFile(path+".new", []byte(later), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		},
		"written into": func(path string) error { return os.WriteFile(path, []byte(later+later), 0o600) },
		"written over in place": func(path string) error {
			if err := os.WriteFile(path, []byte(later), 0o600); err != nil { // the same size
				return err
			}
			return os.Chtimes(path, time.Time{}, time.Unix(1, 0))
		},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "code")
		write(t, path, droppedText)
		file := dropped(t, path)
		must(t, change(path))
		must(t, file.take(kernel{}, "Linked."))
		if text, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(text), later) {
			t.Errorf("%s: the new file reads %q, %v, want it untouched: nobody has looked at it", name, text, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "RESULT.txt")); err != nil {
			t.Errorf("%s: %v, want the result all the same", name, err)
		}
	}
}

func TestFileMadeReadableMeanwhileIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "code")
	write(t, path, droppedText)
	file := dropped(t, path)
	must(t, os.Chmod(path, 0o640))
	must(t, file.take(kernel{}, "Linked."))
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("still there (%v): only its mode changed, so it would be tried again", err)
	}
}

func TestResultIsWrittenThroughNoLink(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "passwd")
	write(t, outside, "root")
	path := filepath.Join(dir, "code")
	for _, trap := range []string{".RESULT", "RESULT.txt"} {
		write(t, path, droppedText)
		must(t, os.RemoveAll(filepath.Join(dir, trap)))
		must(t, os.Symlink(outside, filepath.Join(dir, trap)))
		must(t, dropped(t, path).take(kernel{}, "Linked."))
		if text, _ := os.ReadFile(outside); string(text) != "root" {
			t.Fatalf("%s as a link had %q written into a file elsewhere", trap, text)
		}
		if st, err := os.Lstat(filepath.Join(dir, "RESULT.txt")); err != nil || !st.Mode().IsRegular() {
			t.Errorf("RESULT.txt is %v, %v, want a file", st, err)
		}
	}
}

func TestFileThatCannotBeRemovedIsToldAndItsResultWritten(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "code"), 0o700)) // unlink refuses it, even to root
	err := dropped(t, filepath.Join(dir, "code")).take(kernel{}, "Linked.")
	if err == nil || !strings.Contains(err.Error(), "cannot be removed") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line that says that it cannot be removed", err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "RESULT.txt")); err != nil || !strings.HasPrefix(string(text), "Linked.\n") {
		t.Errorf("RESULT.txt reads %q, %v, want the result", text, err)
	}
}
