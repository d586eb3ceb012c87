package image

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"lwa-agent/cmd/internal/config"
)

// maxLinks on the way to a file are followed, as by the kernel (path_resolution(7)).
const maxLinks = 40

// below is a path of the device as the image's root has it; "" is the root itself.
func below(name string) string { return path.Clean("/" + name)[1:] }

// inside is name with the links on its way followed as on the device: an absolute
// one begins at the root of the image, and no .. leads above that.
func (i *Image) inside(name string) string {
	at, left := "", strings.Split(name, "/")
	for links := 0; len(left) > 0; {
		next := below(at + "/" + left[0])
		left = left[1:]
		target, err := i.root.Readlink(next)
		if err != nil || links == maxLinks { // no link
			at = next
			continue
		}
		links++
		if path.IsAbs(target) {
			at = ""
		}
		left = append(strings.Split(target, "/"), left...)
	}
	return at
}

// isThere reports whether there is such a file.
func (i *Image) isThere(name string) (bool, error) {
	_, err := i.root.Lstat(i.inside(name))
	return err == nil, i.unseen(name, err)
}

// names lists a directory in order; one that is not there has none.
func (i *Image) names(dir string) ([]string, error) {
	f, err := i.root.Open(i.inside(dir))
	if err != nil {
		return nil, i.unseen(dir, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, i.unseen(dir, err)
}

// text reads a file without the blanks around its text; one that is not there is
// empty.
func (i *Image) text(name string) (string, error) {
	text, err := i.read(i.inside(name))
	return string(bytes.TrimSpace(text)), i.unseen(name, err)
}

// read reads a file of at most a configuration's size.
func (i *Image) read(name string) ([]byte, error) {
	info, err := i.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("no regular file")
	}
	f, err := i.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, config.MaxSize))
}

// unseen is the error of what is there and cannot be looked at.
func (i *Image) unseen(name string, err error) error {
	return i.failed(name, ignoreMissing(err), "it cannot be looked at, so take it out of the image")
}

// settings returns the texts of the image's configuration, if it has one.
func (i *Image) settings() (map[string]string, error) {
	text, err := i.read(i.inside(configName()))
	if err != nil {
		return nil, i.unseen(configName(), err)
	}
	return config.Texts(i.path(configName()), text)
}
