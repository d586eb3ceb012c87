package display

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
)

// Size of the picture that OpenPNG writes unless others are asked for: those of
// the common 3.5 inch panels, and large enough for the codes of this program.
const (
	pngWidth  = 480
	pngHeight = 320
)

// OpenPNG shows screens in the file path, readable by everybody: for a web page, a
// picture frame, a panel with a driver of its own. Each picture replaces the one
// before at once, so that nobody reads half of one. Its directory must exist. A
// width or height of 0 is that of 480x320 pixels; widthMM is the width where it
// is seen, in mm, 0 where that is not known.
func OpenPNG(path string, width, height int, widthMM float64) (*Canvas, error) {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("the directory for %s: %w", path, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is no directory, so %s cannot be written", dir, path)
	}
	size := image.Rect(0, 0, cmp.Or(width, pngWidth), cmp.Or(height, pngHeight))
	traits := Traits{Pitch: widthMM / float64(size.Dx())}
	return NewCanvas(pngFile{path: path, picture: image.NewGray(size)}, traits), nil
}

// pngFile is a periph.Drawer that keeps its picture in a file.
type pngFile struct {
	path    string
	picture *image.Gray
}

func (p pngFile) String() string          { return p.path }
func (p pngFile) Halt() error             { return nil }
func (p pngFile) ColorModel() color.Model { return color.GrayModel }
func (p pngFile) Bounds() image.Rectangle { return p.picture.Bounds() }

func (p pngFile) Draw(dst image.Rectangle, src image.Image, at image.Point) error {
	draw.Draw(p.picture, dst, src, at, draw.Src)
	f, err := os.CreateTemp(filepath.Dir(p.path), "."+filepath.Base(p.path)+".*.tmp")
	if err != nil {
		return err
	}
	err = errors.Join(png.Encode(f, p.picture), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), p.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
