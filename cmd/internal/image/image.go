// Package image writes lwa-agent into the root directory of a system that does
// not run: what a Debian package would do, for Yocto, Buildroot, pi-gen and
// whatever else makes images.
//
// Nothing outside of the root is read or written, whatever links there are in
// it.
package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lwa-agent/systemd"
)

// binaryPath is where the units expect the program, below the root.
const binaryPath = "usr/bin/lwa-agent"

const incomplete = "the image is not complete"

// Image is the root directory of a system.
type Image struct {
	dir  string
	root *os.Root
}

// Open opens the root directory dir, which must be there, and must not be that of
// the system on which this runs: its machine id would be called one to clear.
func Open(dir string) (*Image, error) {
	if isRunning(dir, "/run/systemd/system") {
		return nil, fmt.Errorf("%s is the root of this system, which runs, and not that of an image; give the image's", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the root of the image cannot be opened: %w; make it first", err)
	}
	return &Image{dir, root}, nil
}

// Close lets go of the root directory.
func (i *Image) Close() { _ = i.root.Close() }

// path is what people call a file of the image.
func (i *Image) path(name string) string { return filepath.Join(i.dir, name) }

// Install writes the program, the files of systemd and files, and with enable
// the links that start the units at boot. What is there from before is replaced.
// A file is complete or not there, but after an error some may be missing.
func (i *Image) Install(program io.Reader, files []systemd.File, enable bool) error {
	if err := i.put(binaryPath, 0o755, program); err != nil {
		return err
	}
	for _, f := range slices.Concat(systemd.Files(), files) {
		if err := i.put(f.Path, 0o644, strings.NewReader(f.Text)); err != nil {
			return err
		}
	}
	// sysusers.d is read when /usr is newer than /etc (systemd-update-done.service(8)).
	// An image that has booted already would start without our users.
	now := time.Now()
	if err := i.root.Chtimes("usr", now, now); err != nil {
		return i.failed("usr", err, incomplete)
	}
	if !enable {
		return nil
	}
	for link, target := range systemd.Links() {
		if err := i.link(link, target); err != nil {
			return err
		}
	}
	return nil
}

func (i *Image) put(name string, mode fs.FileMode, text io.Reader) error {
	err := i.makeParents(name)
	if err == nil {
		err = i.replace(name, mode, text)
	}
	return i.failed(name, err, incomplete)
}

func (i *Image) replace(name string, mode fs.FileMode, text io.Reader) error {
	tmp := name + ".new"
	if err := ignoreMissing(i.root.Remove(tmp)); err != nil {
		return err
	}
	f, err := i.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, text)
	// Chmod, since whoever builds the image has a umask.
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = i.root.Rename(tmp, name)
	}
	if err != nil {
		_ = i.root.Remove(tmp)
	}
	return err
}

// makeParents makes the directories above name that are missing, 0755.
func (i *Image) makeParents(name string) error {
	for at, c := range name {
		if c != '/' {
			continue
		}
		switch err := i.root.Mkdir(name[:at], 0o755); {
		case errors.Is(err, fs.ErrExist):
		case err != nil:
			return err
		default:
			if err := i.root.Chmod(name[:at], 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *Image) link(name, target string) error {
	err := i.makeParents(name)
	if err == nil {
		err = ignoreMissing(i.root.Remove(name))
	}
	if err == nil {
		err = i.root.Symlink(target, name)
	}
	return i.failed(name, err, incomplete)
}

// Uninstall takes away what Install has written, and the directories that are
// empty then. A configuration, a client secret and a link are not its own: it
// returns the paths where such are left.
func (i *Image) Uninstall(files []systemd.File) (left []string, err error) {
	names := []string{binaryPath}
	for link := range systemd.Links() {
		names = append(names, link)
	}
	for _, f := range slices.Concat(systemd.Files(), files) {
		names = append(names, f.Path)
	}
	for _, name := range names {
		if err := ignoreMissing(i.root.Remove(name)); err != nil {
			return nil, i.failed(name, err, incomplete)
		}
		for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
			info, err := i.root.Lstat(dir) // of a link it would take away the link
			if err != nil || !info.IsDir() || i.root.Remove(dir) != nil {
				break
			}
		}
	}
	for _, name := range []string{"etc/lwa-agent", secretName, "etc/systemd/system/lwa-agent.service.d", "var/lib/lwa-agent", "var/spool/lwa-agent"} {
		if _, err := i.root.Lstat(name); err == nil {
			left = append(left, i.path(name))
		}
	}
	return left, nil
}

// failed names the file of the image, and the cure: the one that is given where
// none is known.
func (i *Image) failed(name string, err error, cure string) error {
	if err == nil {
		return nil
	}
	if pathed, is := errors.AsType[*fs.PathError](err); is {
		err = pathed.Err
	} else if linked, is := errors.AsType[*os.LinkError](err); is {
		err = linked.Err
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		cure = "run it as root"
	case strings.Contains(err.Error(), "escapes"):
		cure = "a link on that path leads out of the image; make it a relative one"
	}
	return fmt.Errorf("%s: %w; %s", i.path(name), err, cure)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
