package panel

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"lwa-agent/display/displaytest"
)

func TestBothSizesOfLong(t *testing.T) {
	for name, sim := range framebuffers() {
		narrow, err := newFrame(sim.Structs(4))
		if err != nil {
			t.Errorf("%s, on a machine of 32 bits: %v", name, err)
		}
		wide, err := newFrame(sim.Structs(8))
		if err != nil {
			t.Errorf("%s, on a machine of 64 bits: %v", name, err)
		}
		if narrow != wide {
			t.Errorf("%s: a machine of 32 bits sees %+v, one of 64 bits %+v", name, narrow, wide)
		}
	}
}

func TestScreensThatCannotBeDrawnOn(t *testing.T) {
	for name, at := range map[string]struct {
		change func(f *displaytest.Framebuffer)
		says   string
	}{
		"a palette":              {func(f *displaytest.Framebuffer) { f.BitsPerPixel, f.Visual = 8, 3 }, "8 bits per pixel"},
		"a palette of 16 bits":   {func(f *displaytest.Framebuffer) { f.Visual = 3 }, "visual 3"},
		"black and white":        {func(f *displaytest.Framebuffer) { f.BitsPerPixel, f.Visual = 1, 0 }, "1 bits per pixel"},
		"direct colour":          {func(f *displaytest.Framebuffer) { f.Visual = 4 }, "visual 4"},
		"planes":                 {func(f *displaytest.Framebuffer) { f.Type = 1 }, "type 1"},
		"no red":                 {func(f *displaytest.Framebuffer) { f.Red.Length = 0 }, "a colour of 0 bits"},
		"red outside the pixel":  {func(f *displaytest.Framebuffer) { f.Red.Offset = 14 }, "a colour of 5 bits at bit 14 of 16"},
		"an absurd colour":       {func(f *displaytest.Framebuffer) { f.Red.Offset = math.MaxUint32 }, "at bit 4294967295"},
		"no pixels":              {func(f *displaytest.Framebuffer) { f.Width = 0 }, "0x120 pixels"},
		"a million rows":         {func(f *displaytest.Framebuffer) { f.Height = 1 << 20 }, "200x1048576 pixels"},
		"rows that overlap":      {func(f *displaytest.Framebuffer) { f.LineLength = 100 }, "100 bytes per row"},
		"a window out of bounds": {func(f *displaytest.Framebuffer) { f.XOffset = 1 }, "at +1+0"},
	} {
		sim := displaytest.NewFramebuffer(200, 120, 16)
		at.change(sim)
		if _, err := newFrame(sim.Structs(8)); err == nil || !strings.Contains(err.Error(), at.says) {
			t.Errorf("%s: error %v, want one with %q", name, err, at.says)
		} else if strings.Contains(err.Error(), "bits per pixel") && !errors.Is(err, errDepth) {
			t.Errorf("%s: error %v does not say how to set a depth that works", name, err)
		}
	}
	variable, fixed := displaytest.NewFramebuffer(200, 120, 16).Structs(8)
	short := binary.NativeEndian.AppendUint32(fixed[:24:24], 200*120*2-1) // smem_len
	if _, err := newFrame(variable, append(short, fixed[28:]...)); err == nil {
		t.Error("a memory without the last byte of the picture is written beyond its end")
	}
}

func TestPixelsOfNonsensicalSizeAreUnknown(t *testing.T) {
	for _, at := range []struct {
		width, height int
		wide, high    uint32
		want          float64
		what          string
	}{
		{1920, 1080, 509, 286, 0.265, "a monitor of 23 inches"},
		{480, 320, 73, 49, 0.153, "a panel of 3.5 inches"},
		{1920, 1080, 0, 0, 0, "unknown"},
		{1920, 1080, math.MaxUint32, math.MaxUint32, 0, "unknown, as older drivers say it"},
		{1920, 1080, 16, 9, 0, "the ratio of the sides"},
		{1920, 1080, 160, 9, 0, "one side"},
		{640, 480, 160, 90, 0, "sides of another shape than the pixels"},
		{320, 240, 5000, 3750, 0, "a wall"},
	} {
		f := frame{width: at.width, height: at.height, widthMM: at.wide, heightMM: at.high}
		if got := f.pitch(); math.Abs(got-at.want) > 0.001 {
			t.Errorf("%dx%d mm for %dx%d pixels (%s): a pixel of %.3f mm, want %.3f", at.wide, at.high, at.width, at.height, at.what, got, at.want)
		}
	}
	f := opened(t, displaytest.NewFramebuffer(480, 320, 16))
	f.widthMM = 72
	if got := f.pitch(); math.Abs(got-0.15) > 0.001 {
		t.Errorf("width_mm = 72 of 480 pixels: a pixel of %.3f mm, want 0.150", got)
	}
}

// FuzzFrame has drivers claim anything: what is accepted lies in the memory.
func FuzzFrame(f *testing.F) {
	for _, sim := range framebuffers() {
		for _, long := range []int{4, 8} {
			variable, fixed := sim.Structs(long)
			f.Add(variable, fixed)
		}
	}
	f.Fuzz(func(t *testing.T, variable, fixed []byte) {
		got, err := newFrame(variable, fixed)
		if err != nil {
			return
		}
		memory := binary.NativeEndian.Uint32(fixed[len(fixed)/80*4+20:])
		last := got.offset(got.width, got.height-1)
		if got.width < 1 || got.height < 1 || got.start < 0 || got.offset(got.width, 0)-int64(got.start) > int64(got.stride) || last > int64(memory) {
			t.Errorf("the last byte is written at %d of %d: %+v", last, memory, got)
		}
		pixels := make([]byte, got.width*got.bytes)
		got.pack(pixels, got.shades(), make([]uint8, got.width))
		got.pitch()
	})
}
