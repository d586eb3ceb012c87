package image

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lwa-agent/systemd"
)

// built is an image with files in it, by their paths.
func built(t *testing.T, files map[string]string) *Image {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	i, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func (i *Image) install(t *testing.T) {
	t.Helper()
	if err := i.Install(strings.NewReader("\x7fELF the program"), []systemd.File{{Path: "usr/share/more", Text: "more"}}, true); err != nil {
		t.Fatal(err)
	}
}

// tree lists what is in an image: modes, sizes, and where links lead.
func (i *Image) tree(t *testing.T) (lines []string) {
	t.Helper()
	err := fs.WalkDir(i.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		target, _ := i.root.Readlink(path)
		lines = append(lines, info.Mode().String()+" "+path+" "+target)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestEveryFileIsThereWithItsModeWhateverTheUmask(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	i := built(t, nil)
	if err := os.Chmod(i.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	i.install(t)
	i.install(t) // and again, as an upgrade
	for _, f := range systemd.Files() {
		text, err := i.root.ReadFile(f.Path)
		if err != nil || len(f.Text) == 0 || string(text) != f.Text {
			t.Errorf("%s: %d bytes, %v", f.Path, len(text), err)
		}
	}
	for _, line := range i.tree(t) {
		mode, name, _ := strings.Cut(line, " ")
		switch {
		case mode == "drwxr-xr-x", mode == "Lrwxrwxrwx", mode == "-rw-r--r--", mode == "-rwxr-xr-x" && strings.HasPrefix(name, binaryPath):
		default:
			t.Errorf("%s: nobody but root could use it", line)
		}
	}
}

func TestUnitsAreEnabledAsSystemctlDoes(t *testing.T) {
	if _, err := exec.LookPath("systemctl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemctl is missing: apt-get install systemd")
		}
		t.Skip("SKIPPED, NOTHING TESTED: systemctl is missing: apt-get install systemd")
	}
	ours, theirs := built(t, nil), built(t, nil)
	ours.install(t)
	if err := theirs.Install(strings.NewReader(""), nil, false); err != nil {
		t.Fatal(err)
	}
	for link := range systemd.Links() {
		// Without a session's variables: it is about files alone.
		c := exec.CommandContext(t.Context(), "systemctl", "--root="+theirs.dir, "enable", filepath.Base(link))
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	linksOf := func(i *Image) (links []string) {
		for _, line := range i.tree(t) {
			if strings.HasPrefix(line, "L") {
				links = append(links, line)
			}
		}
		return links
	}
	if a, b := linksOf(ours), linksOf(theirs); len(a) != 3 || !slices.Equal(a, b) {
		t.Errorf("enabled by us:\n%s\nby systemctl:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

func TestUninstallLeavesNothingButWhatIsTheMakers(t *testing.T) {
	i := built(t, map[string]string{"etc/os-release": "x", "usr/share/zsh/site-functions/_x": "x", "etc/lwa-agent/config.toml": "client_id = \"\""})
	before := i.tree(t)
	i.install(t)
	left, err := i.Uninstall([]systemd.File{{Path: "usr/share/more"}})
	if err != nil || !slices.Equal(left, []string{i.path("etc/lwa-agent")}) {
		t.Errorf("left %q, %v; want the configuration alone", left, err)
	}
	if after := i.tree(t); !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if _, err := i.Uninstall(nil); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func TestUninstallLeavesLinksOfTheImage(t *testing.T) {
	i := built(t, map[string]string{"bin/busybox": "x"})
	for link, target := range map[string]string{"usr": ".", "etc": "conf"} {
		if err := os.Symlink(target, i.path(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(i.path("conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	before := i.tree(t)
	i.install(t)
	if _, err := i.Uninstall([]systemd.File{{Path: "usr/share/more"}}); err != nil {
		t.Fatal(err)
	}
	if after := i.tree(t); !slices.Equal(before, after) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

func TestLinksInAnImageLeadNowhereOutside(t *testing.T) {
	outside := t.TempDir()
	for link, target := range map[string]string{"usr/bin": outside, "etc/systemd": "../../" + filepath.Base(outside), "usr/share/doc": outside} {
		i := built(t, nil)
		if err := errors.Join(i.root.MkdirAll(filepath.Dir(link), 0o755), os.Symlink(target, i.path(link))); err != nil {
			t.Fatal(err)
		}
		err := i.Install(strings.NewReader(""), nil, true)
		if err == nil || !strings.Contains(err.Error(), "out of the image") {
			t.Errorf("%s -> %s: %v", link, target, err)
		}
	}
	if found, err := os.ReadDir(outside); err != nil || len(found) > 0 {
		t.Errorf("outside of the image is now %v (%v)", found, err)
	}
}

func TestProgramOfAnotherProcessorIsRefused(t *testing.T) {
	elf := func(machine byte) string {
		return "\x7fELF\x01\x01\x01\x00" + strings.Repeat("\x00", 10) + string([]byte{machine, 0})
	}
	i := built(t, map[string]string{"bin/busybox": elf(40), "program": elf(62), "good": elf(40), "script": "#!/bin/sh\n# a script of more than 20 bytes\n"})
	if err := i.Fits(i.path("program")); err == nil || !strings.Contains(err.Error(), "is for amd64, and") || !strings.Contains(err.Error(), "is for arm;") {
		t.Errorf("a program for amd64 in an image for arm: %v", err)
	}
	if err := i.Fits(i.path("script")); err == nil {
		t.Error("a script is taken for the program")
	}
	if err := i.Fits(i.path("good")); err != nil {
		t.Error(err)
	}
	if err := built(t, nil).Fits(i.path("program")); err != nil {
		t.Errorf("an empty image: %v", err)
	}
}
