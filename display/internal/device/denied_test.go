package device_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwa-agent/display/internal/device"
)

// TestNobodyJoinsAGroupInVain: a console without a login on it is root's alone,
// and no device is handed out by making a process a member of root.
func TestNobodyJoinsAGroupInVain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tty1")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	denied := &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	said := func(mode fs.FileMode) string {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		err := device.WithGroup(path, denied)
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("mode %v: %v hides its cause", mode, err)
		}
		return err.Error()
	}
	if os.Getuid() == 0 {
		if got := said(0o660); strings.Contains(got, "join") {
			t.Errorf("a file of the group root: %s", got)
		}
		if err := os.Chown(path, 0, 4242); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []fs.FileMode{0o600, 0o640} {
		if got := said(mode); strings.Contains(got, "join") || !strings.Contains(got, "chmod g+w") {
			t.Errorf("mode %v: %s; its group may not write", mode, got)
		}
	}
	if got := said(0o620); !strings.Contains(got, "let this process join the group ") {
		t.Errorf("a console of the group tty: %s", got)
	}
	if got := device.WithGroup(path, fs.ErrExist); !errors.Is(got, fs.ErrExist) || strings.Contains(got.Error(), "group") {
		t.Errorf("another error became %v", got)
	}
}
