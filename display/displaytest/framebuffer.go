package displaytest

import (
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"slices"
	"strconv"
	"sync"
	"syscall"
)

// Framebuffer is the memory of a screen as Linux offers it at /dev/fb0, and
// what a person sees of it. It is written from the structs and rules of
// linux/fb.h and, for the ends of the memory, from what fb_read and fb_write of
// the kernel do. Fields are set before it is used, or while nothing does.
type Framebuffer struct {
	Width, Height    int // visible, pixels
	XOffset, YOffset int // of what is visible in the memory, pixels
	BitsPerPixel     int
	LineLength       int // bytes from one row to the next
	Red, Green, Blue Bitfield
	Transparency     Bitfield
	WidthMM          uint32 // as the driver says
	HeightMM         uint32
	Type, Visual     uint32

	// Shadow: what is written is shown when the driver thinks that it changed, as
	// with the framebuffers of DRM drivers. It thinks as Linux 6.1 does, with its
	// fault: of a write within a row that ends where the row ends, nothing is
	// shown (drm_fb_helper_memory_range_to_clip).
	Shadow bool

	mu      sync.Mutex
	memory  []byte
	shown   []byte // with Shadow
	written int
	failure error
	closed  bool
}

// Bitfield is struct fb_bitfield: the bits of a colour in a pixel, counted from
// the lowest.
type Bitfield struct{ Offset, Length uint32 }

// NewFramebuffer is a screen of that many pixels of 16 bits (RGB565), 24 or 32
// (RGB888), with random memory, as there is when a screen is switched on.
func NewFramebuffer(width, height, bitsPerPixel int) *Framebuffer {
	f := &Framebuffer{
		Width: width, Height: height, BitsPerPixel: bitsPerPixel, LineLength: width * bitsPerPixel / 8,
		Red: Bitfield{16, 8}, Green: Bitfield{8, 8}, Blue: Bitfield{0, 8}, Visual: 2,
	}
	if bitsPerPixel == 16 {
		f.Red, f.Green, f.Blue = Bitfield{11, 5}, Bitfield{5, 6}, Bitfield{0, 5}
	}
	return f
}

// Mode answers FBIOGET_VSCREENINFO and FBIOGET_FSCREENINFO as this machine's
// kernel would lay the answers out.
func (f *Framebuffer) Mode() (variable, fixed []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	variable, fixed = f.Structs(strconv.IntSize / 8)
	return variable, fixed, f.failure
}

// Structs is struct fb_var_screeninfo and struct fb_fix_screeninfo with a long
// of so many bytes.
func (f *Framebuffer) Structs(long int) (variable, fixed []byte) {
	for _, v := range []uint32{
		uint32(f.Width), uint32(f.Height), uint32(f.Width + f.XOffset), uint32(f.Height + f.YOffset), uint32(f.XOffset), uint32(f.YOffset),
		uint32(f.BitsPerPixel), 0,
		f.Red.Offset, f.Red.Length, 0, f.Green.Offset, f.Green.Length, 0, f.Blue.Offset, f.Blue.Length, 0,
		f.Transparency.Offset, f.Transparency.Length, 0,
		0, 0, f.HeightMM, f.WidthMM,
	} {
		variable = binary.NativeEndian.AppendUint32(variable, v)
	}
	variable = append(variable, make([]byte, 16*4)...) // flags, timings, reserved

	put := func(size int, v uint64) { // each at a multiple of its size, as C does
		for len(fixed)%size != 0 {
			fixed = append(fixed, 0)
		}
		switch size {
		case 2:
			fixed = binary.NativeEndian.AppendUint16(fixed, uint16(v))
		case 4:
			fixed = binary.NativeEndian.AppendUint32(fixed, uint32(v))
		case 8:
			fixed = binary.NativeEndian.AppendUint64(fixed, v)
		}
	}
	fixed = append(fixed, "simulated\x00\x00\x00\x00\x00\x00\x00"...)
	put(long, 0xfd000000)    // smem_start
	put(4, uint64(f.size())) // smem_len
	put(4, uint64(f.Type))   // type
	put(4, 0)                // type_aux
	put(4, uint64(f.Visual)) // visual
	for range 3 {            // xpanstep, ypanstep, ywrapstep
		put(2, 1)
	}
	put(4, uint64(f.LineLength)) // line_length
	put(long, 0)                 // mmio_start
	put(4, 0)                    // mmio_len
	put(4, 0)                    // accel
	for range 3 {                // capabilities, reserved
		put(2, 0)
	}
	for len(fixed)%long != 0 {
		fixed = append(fixed, 0)
	}
	return variable, fixed
}

func (f *Framebuffer) size() int { return (f.YOffset + f.Height) * f.LineLength }

// all is the memory, of the size that the mode needs.
//
//go:norace
func (f *Framebuffer) all() []byte {
	f.memory = slices.Grow(f.memory, max(0, f.size()-len(f.memory)))
	for len(f.memory) < f.size() { // no two rows alike, nothing that a picture would have
		f.memory = append(f.memory, byte(len(f.memory)*167>>3))
	}
	return f.memory[:f.size()]
}

// ReadAt reads memory.
func (f *Framebuffer) ReadAt(p []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return 0, f.failure
	}
	if at >= int64(f.size()) {
		return 0, io.EOF
	}
	n := copy(p, f.all()[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes memory. Beyond its end there is EFBIG, across it ENOSPC.
func (f *Framebuffer) WriteAt(p []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return 0, f.failure
	}
	if at > int64(f.size()) {
		return 0, syscall.EFBIG
	}
	if f.Shadow && f.shown == nil {
		f.shown = slices.Clone(f.all())
	}
	n := copy(f.all()[at:], p)
	f.written += n
	if f.Shadow {
		f.show(int(at), int(at)+n)
	}
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

// show brings to the screen what was written from byte start to byte end.
func (f *Framebuffer) show(start, end int) {
	pixel := f.BitsPerPixel / 8
	top, bottom := start/f.LineLength, (end+f.LineLength-1)/f.LineLength
	left, right := 0, f.XOffset+f.Width
	if bottom-top == 1 {
		left, right = start%f.LineLength/pixel, (end%f.LineLength+pixel-1)/pixel
	}
	for y := top; y < bottom && left < right; y++ {
		from, to := y*f.LineLength+left*pixel, y*f.LineLength+right*pixel
		copy(f.shown[from:to], f.memory[from:to])
	}
}

// Close ends the use of the device; once is enough.
func (f *Framebuffer) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fmt.Errorf("the framebuffer was closed before")
	}
	f.closed = true
	return nil
}

// Closed reports whether Close was called.
func (f *Framebuffer) Closed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// Fail makes all that follows fail with err, as when a screen on USB is pulled
// out; nil ends that.
func (f *Framebuffer) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

// Written is the number of bytes written since it was last asked.
func (f *Framebuffer) Written() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.written
	f.written = 0
	return n
}

// Memory is a copy of all of it, with what cannot be seen.
func (f *Framebuffer) Memory() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all())
}

// Scribble writes a rectangle of black as the kernel's console writes a letter
// over a picture.
func (f *Framebuffer) Scribble(area image.Rectangle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pixel := f.BitsPerPixel / 8
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := f.all()[(f.YOffset+y)*f.LineLength+f.XOffset*pixel:]
		clear(row[area.Min.X*pixel : area.Max.X*pixel])
	}
}

// Picture is what a person sees.
//
//go:norace
func (f *Framebuffer) Picture() *image.NRGBA {
	f.mu.Lock()
	defer f.mu.Unlock()
	visible := f.all()
	if f.Shadow && f.shown != nil {
		visible = f.shown
	}
	picture := image.NewNRGBA(image.Rect(0, 0, f.Width, f.Height))
	pixel := f.BitsPerPixel / 8
	for y := range f.Height {
		for x := range f.Width {
			var value uint32
			for i, b := range visible[(f.YOffset+y)*f.LineLength+(f.XOffset+x)*pixel:][:pixel] {
				value |= uint32(b) << (8 * i)
			}
			four := picture.Pix[picture.PixOffset(x, y):][:4]
			four[0], four[1], four[2], four[3] = f.Red.of(value), f.Green.of(value), f.Blue.of(value), f.Transparency.of(value)
		}
	}
	return picture
}

// of is the colour in a pixel; one without bits is full, as opacity then is.
//
//go:norace
func (b Bitfield) of(pixel uint32) uint8 {
	if b.Length == 0 {
		return 0xff
	}
	most := uint32(1)<<b.Length - 1
	return uint8((pixel >> b.Offset & most) * 255 / most)
}
