package panel

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// frame is how a framebuffer lays out in memory what can be seen. Two of the
// same mode are equal.
type frame struct {
	width, height int // pixels
	start, stride int // bytes: before the first pixel, and from one row to the next
	bytes         int // of a pixel: 2, 3 or 4

	red, green, blue, opaque channel

	widthMM, heightMM uint32 // as the driver says: may be unknown, or nonsense
}

// channel is struct fb_bitfield of linux/fb.h: where a colour is in a pixel.
type channel struct{ offset, length uint32 } // bits

// Values of linux/fb.h.
const (
	packedPixels = 0 // FB_TYPE_PACKED_PIXELS
	trueColour   = 2 // FB_VISUAL_TRUECOLOR: the pixel is the colour, there is no palette
)

// Sizes of struct fb_var_screeninfo, and of fb_fix_screeninfo with a long of 8
// bytes and of 4.
const (
	variableSize = 160
	fixedSize64  = 80
	fixedSize32  = 68
)

// maxSide bounds what a driver may claim, in pixels.
const maxSide = 16384

// errDepth ends what is said of framebuffers that cannot be drawn on.
var errDepth = errors.New(`only 16, 24 and 32 bits of true colour can be drawn on; ` +
	`set one ("fbset -depth 16"; on a Raspberry Pi framebuffer_depth=16 in config.txt; else video=…-16 on the kernel's command line)`)

// newFrame reads struct fb_var_screeninfo and struct fb_fix_screeninfo, the
// latter with a long of the size that its length tells. It refuses all that it
// cannot draw exactly, and all that would be drawn outside of the memory.
func newFrame(variable, fixed []byte) (frame, error) {
	lineLength := 48
	long := 8
	switch {
	case len(variable) != variableSize:
		return frame{}, fmt.Errorf("the framebuffer's mode has %d bytes, not %d", len(variable), variableSize)
	case len(fixed) == fixedSize32:
		lineLength, long = 44, 4
	case len(fixed) != fixedSize64:
		return frame{}, fmt.Errorf("the framebuffer's layout has %d bytes, not %d or %d", len(fixed), fixedSize64, fixedSize32)
	}
	v := func(n int) uint32 { return binary.NativeEndian.Uint32(variable[4*n:]) }
	f := func(at int) uint32 { return binary.NativeEndian.Uint32(fixed[at:]) }
	bits, kind, visual := v(6), f(20+long), f(28+long)
	switch {
	case bits != 16 && bits != 24 && bits != 32, kind != packedPixels, visual != trueColour:
		return frame{}, fmt.Errorf("the framebuffer has %d bits per pixel, type %d, visual %d: %w", bits, kind, visual, errDepth)
	case v(7) > 1 || v(20) != 0:
		return frame{}, fmt.Errorf("the framebuffer has pixels of format %#x (nonstandard %d): %w", v(7), v(20), errDepth)
	}
	colour := func(n int) channel { return channel{v(n), v(n + 1)} }
	c := frame{
		bytes: int(bits / 8),
		red:   colour(8), green: colour(11), blue: colour(14), opaque: colour(17),
		heightMM: v(22), widthMM: v(23),
	}
	for i, of := range []channel{c.red, c.green, c.blue, c.opaque} {
		if of.length > 16 || of.length == 0 && i < 3 || uint64(of.offset)+uint64(of.length) > uint64(bits) || v(10+3*i) != 0 {
			return frame{}, fmt.Errorf("the framebuffer has a colour of %d bits at bit %d of %d: %w", of.length, of.offset, bits, errDepth)
		}
	}
	width, height, across, down := uint64(v(0)), uint64(v(1)), uint64(v(4)), uint64(v(5))
	stride, memory, pixel := uint64(f(lineLength)), uint64(f(16+long)), uint64(bits/8)
	if width == 0 || height == 0 || width > maxSide || height > maxSide {
		return frame{}, fmt.Errorf("the framebuffer says it is %dx%d pixels large", width, height)
	}
	start := down*stride + across*pixel
	if (across+width)*pixel > stride || start+(height-1)*stride+width*pixel > memory {
		return frame{}, fmt.Errorf("the framebuffer says that %dx%d pixels of %d bits at +%d+%d, with %d bytes per row, are in %d bytes of memory",
			width, height, bits, across, down, stride, memory)
	}
	c.width, c.height, c.start, c.stride = int(width), int(height), int(start), int(stride)
	return c, nil
}

// Densities that screens have, from a large television to a small phone, in
// dots per inch.
const (
	leastDensity = 20
	mostDensity  = 1000
)

// pitch is the size of a pixel in mm, 0 if it is unknown. Drivers say 0 or -1
// for that, televisions send the ratio of their sides (16 mm by 9 mm).
func (f frame) pitch() float64 {
	x := float64(f.widthMM) / float64(f.width)
	y := float64(f.heightMM) / float64(f.height)
	for _, pitch := range []float64{x, y} {
		if pitch < 25.4/mostDensity || pitch > 25.4/leastDensity {
			return 0
		}
	}
	if x/y > 1.25 || y/x > 1.25 {
		return 0
	}
	return (x + y) / 2
}

// offset is where in memory the pixel x, y of the panel begins.
func (f frame) offset(x, y int) int64 {
	return int64(f.start) + int64(y)*int64(f.stride) + int64(x)*int64(f.bytes)
}

// shades is the pixel for each of 256 shades of grey.
func (f frame) shades() *[256]uint32 {
	var all [256]uint32
	for grey := range uint32(256) {
		pixel := f.opaque.value(255)
		for _, c := range []channel{f.red, f.green, f.blue} {
			pixel |= c.value(grey)
		}
		all[grey] = pixel
	}
	return &all
}

// value is 0 to 255, spread over the bits of the channel.
func (c channel) value(of255 uint32) uint32 {
	most := uint64(1)<<c.length - 1
	return uint32((uint64(of255)*most + 127) / 255 << c.offset)
}

// pack puts the pixels of a row of grey into line. Every machine that this is
// built for is little-endian.
func (f frame) pack(line []byte, shades *[256]uint32, row []uint8) {
	switch f.bytes {
	case 2:
		for i, grey := range row {
			binary.LittleEndian.PutUint16(line[2*i:], uint16(shades[grey]))
		}
	case 3:
		for i, grey := range row {
			pixel := shades[grey]
			three := line[3*i : 3*i+3]
			three[0], three[1], three[2] = byte(pixel), byte(pixel>>8), byte(pixel>>16)
		}
	case 4:
		for i, grey := range row {
			binary.LittleEndian.PutUint32(line[4*i:], shades[grey])
		}
	}
}
