package panel

import (
	"fmt"
	"hash/maphash"
	"image"
	"image/color"
	"io"
	"slices"
)

// memory is an open framebuffer device: what can be seen, as bytes.
type memory interface {
	io.ReaderAt
	io.WriterAt
	io.Closer

	// Mode gives struct fb_var_screeninfo and struct fb_fix_screeninfo of
	// linux/fb.h as they are now: another program, or a cable, changes the mode.
	Mode() (variable, fixed []byte, err error)
}

// everyRow is how far apart the rows are that are looked at for damage: the
// smallest font of a console has 6 to a letter, so that none is missed.
const everyRow = 4

// framebuffer draws on a framebuffer of Linux as a periph.Drawer. It
// holds a row of the picture, never all of it: 1920x1080 are 8 MB.
type framebuffer struct {
	name    string
	memory  memory
	widthMM float64 // as configured; 0: the driver may know

	// guard makes a write, or leaves it out while another console is to be seen:
	// the picture is drawn anew after that.
	guard func(write func() error) error

	frame  frame
	shades *[256]uint32

	seed maphash.Seed
	sums []uint64 // of every fourth row as it was drawn; 0: not known
}

// newFramebuffer draws on m, which it closes with Halt.
func newFramebuffer(name string, m memory) (*framebuffer, error) {
	f := &framebuffer{name: name, memory: m, seed: maphash.MakeSeed(), guard: (*console)(nil).guard}
	_, err := f.measure()
	return f, err
}

// measure asks for the mode and reports whether it is another one, in which
// nothing is known of what can be seen.
func (f *framebuffer) measure() (changed bool, err error) {
	variable, fixed, err := f.memory.Mode()
	if err != nil {
		return false, fmt.Errorf("asking %s for its mode: %w", f.name, err)
	}
	now, err := newFrame(variable, fixed)
	if err != nil {
		return false, fmt.Errorf("%s: %w", f.name, err)
	}
	if now == f.frame {
		return false, nil
	}
	f.frame, f.shades = now, now.shades()
	f.sums = make([]uint64, now.height/everyRow+1)
	return true, nil
}

func (f *framebuffer) String() string { return "framebuffer " + f.name }

// ColorModel is grey: the screens that are shown know no other colour.
func (f *framebuffer) ColorModel() color.Model { return color.GrayModel }

func (f *framebuffer) Bounds() image.Rectangle {
	return image.Rect(0, 0, f.frame.width, f.frame.height)
}

// Draw puts what src has at sp into the area dst, a few rows at a time.
func (f *framebuffer) Draw(dst image.Rectangle, src image.Image, sp image.Point) error {
	area, sp := clip(f, dst, src, sp)
	if area.Empty() {
		return nil
	}
	row, before := make([]uint8, area.Dx()), make([]uint8, area.Dx())
	packed := make([]byte, area.Dx()*f.frame.bytes)
	bands := f.bandsOf(area)
	for y := area.Min.Y; y < area.Max.Y; y++ {
		readRow(row, src, sp.Add(image.Pt(0, y-area.Min.Y)))
		if y == area.Min.Y || !slices.Equal(row, before) { // codes and text repeat most rows
			f.frame.pack(packed, f.shades, row)
		}
		row, before = before, row
		if err := bands.put(y, packed); err != nil {
			return err
		}
		if y%everyRow == 0 {
			f.sums[y/everyRow] = 0
			if area.Dx() == f.frame.width {
				f.sums[y/everyRow] = maphash.Bytes(f.seed, packed)
			}
		}
	}
	return nil
}

// readRow reads the shades of src to the right of at.
func readRow(row []uint8, src image.Image, at image.Point) {
	if grey, ok := src.(*image.Gray); ok {
		copy(row, grey.Pix[grey.PixOffset(at.X, at.Y):])
		return
	}
	if _, ok := src.(*image.Uniform); ok {
		row[0] = brightness(src, at.X, at.Y)
		for n := 1; n < len(row); n *= 2 {
			copy(row[n:], row[:n])
		}
		return
	}
	for i := range row {
		row[i] = brightness(src, at.X+i, at.Y)
	}
}

// intact reports whether what was drawn can still be seen, by reading it back:
// a quarter of the rows, 1 ms of a Full HD screen in ordinary memory.
func (f *framebuffer) intact() (bool, error) {
	line := make([]byte, f.frame.width*f.frame.bytes)
	for y := 0; y < f.frame.height; y += everyRow {
		want := f.sums[y/everyRow]
		if want == 0 {
			continue
		}
		if _, err := f.memory.ReadAt(line, f.frame.offset(0, y)); err != nil {
			return false, fmt.Errorf("reading %s: %w", f.name, err)
		}
		if maphash.Bytes(f.seed, line) != want {
			return false, nil
		}
	}
	return true, nil
}

// pitch is the size of a pixel in mm, 0 if it is unknown.
func (f *framebuffer) pitch() float64 {
	if f.widthMM > 0 {
		return f.widthMM / float64(f.frame.width)
	}
	return f.frame.pitch()
}

// clear makes all black, as a screen is without a picture.
func (f *framebuffer) clear() error {
	return f.Draw(f.Bounds(), image.Black, image.Point{})
}

// Halt closes the device and leaves what can be seen.
func (f *framebuffer) Halt() error { return f.memory.Close() }
