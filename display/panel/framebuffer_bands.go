package panel

import (
	"fmt"
	"image"
)

// bandBytes is about how much is written at once.
const bandBytes = 32 << 10

// bands collects the rows of an area and writes a few at once.
//
// It works round a fault of DRM's framebuffers in Linux 6.0 to 6.18 at least,
// which show what changed and nothing else: of a write within one row they
// take the end modulo the length of the row, so that a row written by itself
// up to its end is never shown (drm_fb_helper_memory_range_to_clip, since
// commit ded74cafeea9). So the end of a row is only ever written together with
// another row.
type bands struct {
	f      *framebuffer
	area   image.Rectangle // of the panel
	inset  int             // bytes of a row left of the area
	length int             // bytes of a row up to where it is written
	whole  bool            // nothing beside the area lies between two rows

	first, rows int // the band that is being filled
	next        int // row after it
	memory      []byte
}

func (f *framebuffer) bandsOf(area image.Rectangle) *bands {
	b := &bands{f: f, area: area, next: area.Min.Y}
	b.inset = area.Min.X * f.frame.bytes
	b.length = area.Max.X * f.frame.bytes
	b.whole = b.inset == 0 && b.length == f.frame.stride
	return b
}

// toEnd reports whether the area ends where rows end in memory.
func (b *bands) toEnd() bool {
	return (b.f.frame.start%b.f.frame.stride+b.length)%b.f.frame.stride == 0
}

// begin decides on the band from row y.
func (b *bands) begin(y int) error {
	stride := b.f.frame.stride
	b.first, b.rows = y, 1
	if b.toEnd() {
		b.rows = min(max(2, bandBytes/stride), b.area.Max.Y-y)
		if b.area.Max.Y-y-b.rows == 1 {
			b.rows++
		}
		if b.rows == 1 && b.f.frame.height > 1 {
			b.first, b.rows = max(0, y-1), 2
		}
	}
	b.next = b.first + b.rows
	size := (b.rows-1)*stride + b.length - b.inset
	if cap(b.memory) < size {
		b.memory = make([]byte, size)
	}
	b.memory = b.memory[:size]
	if b.rows == 1 || b.whole && b.first == y && b.next <= b.area.Max.Y {
		return nil // all of it will be put
	}
	if _, err := b.f.memory.ReadAt(b.memory, b.offset()); err != nil {
		return fmt.Errorf("reading %s: %w", b.f.name, err)
	}
	return nil
}

func (b *bands) offset() int64 { return b.f.frame.offset(b.area.Min.X, b.first) }

// put takes row y of the area, and writes the band if that is its last one.
func (b *bands) put(y int, packed []byte) error {
	if y == b.next || b.rows == 0 {
		if err := b.begin(y); err != nil {
			return err
		}
	}
	copy(b.memory[(y-b.first)*b.f.frame.stride:], packed)
	if y+1 < min(b.next, b.area.Max.Y) {
		return nil
	}
	return b.f.guard(func() error {
		if _, err := b.f.memory.WriteAt(b.memory, b.offset()); err != nil {
			return fmt.Errorf("writing to %s: %w", b.f.name, err)
		}
		return nil
	})
}
