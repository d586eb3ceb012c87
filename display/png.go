package display

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lwa-agent/display/internal/device"
)

// Size of the picture that OpenPNG writes unless others are asked for: those of
// the common 3.5 inch panels, and large enough for the codes of this program.
const (
	pngWidth  = 480
	pngHeight = 320

	// mostPixels are those of the largest screens that are sold, 7680x4320. Each
	// takes a byte while it is drawn, and the unit has 96 MiB for all displays.
	mostPixels = 7680 * 4320
)

// OpenPNG shows screens in the file path, readable by everybody: for a web page, a
// picture frame, a panel with a driver of its own. Each picture replaces the one
// before at once, so that nobody reads half of one. Its directory must exist, and
// anything but a picture that has that name is refused: it would be lost. A width
// or height of 0 is that of 480x320 pixels; widthMM is the width where it is seen,
// in mm, 0 where that is not known.
func OpenPNG(path string, width, height int, widthMM float64) (*Canvas, error) {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("the directory for %s: %w", path, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is no directory, so %s cannot be written", dir, path)
	}
	if err := replaceable(path); err != nil {
		return nil, err
	}
	size := image.Rect(0, 0, cmp.Or(width, pngWidth), cmp.Or(height, pngHeight))
	if pixels := size.Dx() * size.Dy(); pixels > mostPixels {
		return nil, fmt.Errorf("a picture of %dx%d has %d pixels, and %d is the most; write a smaller width or height", size.Dx(), size.Dy(), pixels, mostPixels)
	}
	return NewCanvas(pngFile{path, size}, Traits{Pitch: widthMM / float64(size.Dx())}), nil
}

// replaceable reports whether a picture may take the place of what path names. A
// slip such as /dev/fb0, written as root, would cost the device its screen.
func replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file, and a picture would take its place; name another file", path)
	}
	const signature = "\x89PNG\r\n\x1a\n" // RFC 2083, 3.1
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	begin := make([]byte, len(signature))
	n, err := io.ReadFull(f, begin)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	// Zeros are what a power cut leaves of a picture.
	if got := string(begin[:n]); err == nil && strings.Trim(got, "\x00") != "" && got != signature {
		err = fmt.Errorf("%s is a file, but no picture, and would be lost; remove it or name another file", path)
	}
	return errors.Join(err, f.Close())
}

// pngFile is a periph.Drawer that keeps its picture in a file, and nowhere else:
// it is drawn whole.
type pngFile struct {
	path string
	size image.Rectangle
}

func (p pngFile) String() string          { return p.path }
func (p pngFile) Halt() error             { return nil }
func (p pngFile) ColorModel() color.Model { return color.GrayModel }
func (p pngFile) Bounds() image.Rectangle { return p.size }

func (p pngFile) Draw(_ image.Rectangle, src image.Image, _ image.Point) error {
	dir := filepath.Dir(p.path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(p.path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("a new picture in %s: %w", dir, device.WithGroup(dir, reason(err)))
	}
	err = cmp.Or(png.Encode(f, src), f.Chmod(0o644))
	err = cmp.Or(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.path)
	}
	if err != nil {
		return errors.Join(reason(err), reason(os.Remove(f.Name())))
	}
	return nil
}

// reason is why a call failed, without the name of the file, which is another for
// each picture: a directory that cannot be written would be news each time.
func reason(err error) error {
	if path, is := errors.AsType[*fs.PathError](err); is {
		return path.Err
	}
	if link, is := errors.AsType[*os.LinkError](err); is {
		return link.Err
	}
	return err
}
