package panel

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"runtime"
	"testing"

	periph "periph.io/x/conn/v3/display"

	"lwa-agent/display/displaytest"
)

var _ periph.Drawer = (*framebuffer)(nil)

// framebuffers are framebuffers as they are found in the field.
func framebuffers() map[string]*displaytest.Framebuffer {
	all := make(map[string]*displaytest.Framebuffer)
	add := func(name string, bits int, change func(f *displaytest.Framebuffer)) {
		f := displaytest.NewFramebuffer(200, 120, bits)
		if change != nil {
			change(f)
		}
		all[name] = f
	}
	add("RGB565", 16, nil)
	add("BGR565", 16, func(f *displaytest.Framebuffer) { f.Red, f.Blue = f.Blue, f.Red })
	add("ARGB1555", 16, func(f *displaytest.Framebuffer) {
		f.Red, f.Green, f.Transparency = displaytest.Bitfield{Offset: 10, Length: 5}, displaytest.Bitfield{Offset: 5, Length: 5}, displaytest.Bitfield{Offset: 15, Length: 1}
	})
	add("RGB888", 24, nil)
	add("BGR888", 24, func(f *displaytest.Framebuffer) { f.Red, f.Blue = f.Blue, f.Red })
	add("XRGB8888", 32, nil)
	add("ARGB8888", 32, func(f *displaytest.Framebuffer) { f.Transparency = displaytest.Bitfield{Offset: 24, Length: 8} })
	add("BGRX8888", 32, func(f *displaytest.Framebuffer) { f.Blue.Offset, f.Green.Offset, f.Red.Offset = 24, 16, 8 })
	add("XRGB2101010", 32, func(f *displaytest.Framebuffer) {
		f.Red, f.Green, f.Blue = displaytest.Bitfield{Offset: 20, Length: 10}, displaytest.Bitfield{Offset: 10, Length: 10}, displaytest.Bitfield{Length: 10}
	})
	add("padded rows", 16, func(f *displaytest.Framebuffer) { f.LineLength += 37 })
	add("a window in a larger memory", 24, func(f *displaytest.Framebuffer) { f.XOffset, f.YOffset, f.LineLength = 7, 130, 3*300 })
	add("a window at the right edge", 32, func(f *displaytest.Framebuffer) { f.XOffset, f.LineLength = 100, 4*300 })
	add("shadow", 32, func(f *displaytest.Framebuffer) { f.Shadow = true })
	add("shadow, padded rows", 16, func(f *displaytest.Framebuffer) { f.Shadow, f.LineLength = true, 512 })
	return all
}

func opened(t *testing.T, sim *displaytest.Framebuffer) *framebuffer {
	t.Helper()
	f, err := newFramebuffer("/dev/fb0", sim)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func turnedBy(t *testing.T, sim *displaytest.Framebuffer, degrees int) periph.Drawer {
	t.Helper()
	d, err := rotate(opened(t, sim), degrees)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// shownAt is where a panel that is turned clockwise shows the point p of a
// picture of that size.
func shownAt(p image.Point, size image.Point, turn int) image.Point {
	switch turn {
	case 90: // the top of the picture is at the right
		return image.Pt(size.Y-1-p.Y, p.X)
	case 180:
		return image.Pt(size.X-1-p.X, size.Y-1-p.Y)
	case 270: // the top of the picture is at the left
		return image.Pt(p.Y, size.X-1-p.X)
	}
	return p
}

func TestEveryPixelOnEveryScreen(t *testing.T) {
	for name, sim := range framebuffers() {
		for _, turn := range []int{0, 90, 180, 270} {
			t.Run(fmt.Sprint(name, turn), func(t *testing.T) {
				f := turnedBy(t, sim, turn)
				picture := displaytest.Noise(f.Bounds())
				hidden := invisible(sim)
				if err := f.Draw(f.Bounds(), picture, image.Point{}); err != nil {
					t.Fatal(err)
				}
				same(t, sim, picture, turn)
				if !bytes.Equal(invisible(sim), hidden) {
					t.Error("memory that cannot be seen was changed; it may be another program's picture")
				}
			})
		}
	}
}

//go:norace
func same(t *testing.T, sim *displaytest.Framebuffer, want *image.Gray, turn int) {
	t.Helper()
	got, wrong := sim.Picture(), 0
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			grey := want.GrayAt(x, y).Y
			at := shownAt(image.Pt(x, y), want.Rect.Size(), turn)
			four := got.Pix[at.Y*got.Stride+4*at.X:][:4]
			if c := (color.NRGBA{four[0], four[1], four[2], four[3]}); c != (color.NRGBA{grey, grey, grey, 0xff}) {
				if wrong++; wrong == 1 {
					t.Errorf("the pixel %v is %v, want a grey of %#x", at, c, grey)
				}
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d pixels are wrong", wrong)
	}
}

// invisible is the memory but for what can be seen.
func invisible(sim *displaytest.Framebuffer) []byte {
	memory, pixel := sim.Memory(), sim.BitsPerPixel/8
	for y := range sim.Height {
		at := (sim.YOffset+y)*sim.LineLength + sim.XOffset*pixel
		clear(memory[at : at+sim.Width*pixel])
	}
	return memory
}

// TestPartOfAPicture draws areas over a picture, at the edges above all: a
// kernel with DRM's fault shows nothing of a row that is written up to its end.
func TestPartOfAPicture(t *testing.T) {
	source := displaytest.Noise(image.Rect(-10, -10, 500, 500))
	for name, sim := range framebuffers() {
		for _, turn := range []int{0, 90, 180, 270} {
			f := turnedBy(t, sim, turn)
			b := f.Bounds()
			want := image.NewGray(b)
			if err := f.Draw(b, image.Black, image.Point{}); err != nil {
				t.Fatal(err)
			}
			for _, area := range []image.Rectangle{
				image.Rect(3, 5, 17, 30), image.Rect(b.Max.X-9, 40, b.Max.X, 70), image.Rect(0, b.Max.Y-1, b.Max.X, b.Max.Y),
				image.Rect(0, 0, b.Max.X, 1), image.Rect(0, 0, 1, b.Max.Y), image.Rect(b.Max.X-1, 0, b.Max.X, 1),
				image.Rect(b.Max.X-5, b.Max.Y-5, b.Max.X+50, b.Max.Y+50), image.Rect(-4, 80, 4, 90), image.Rect(5000, 0, 6000, 10),
			} {
				from := image.Pt(11, -3)
				if err := f.Draw(area, source, from); err != nil {
					t.Fatal(err)
				}
				for y := area.Min.Y; y < area.Max.Y; y++ {
					for x := area.Min.X; x < area.Max.X; x++ {
						if at := image.Pt(x, y).Sub(area.Min).Add(from); at.In(source.Rect) {
							want.SetGray(x, y, source.GrayAt(at.X, at.Y))
						}
					}
				}
			}
			if same(t, sim, want, turn); t.Failed() {
				t.Fatalf("on %s, turned by %d", name, turn)
			}
		}
	}
}

func TestColoursBecomeGrey(t *testing.T) {
	sim := displaytest.NewFramebuffer(64, 64, 32)
	f := turnedBy(t, sim, 90)
	picture, want := image.NewNRGBA(f.Bounds()), image.NewGray(f.Bounds())
	for i := range picture.Pix {
		picture.Pix[i] = uint8(i*7) | uint8(i%4/3*0xff) // opaque
	}
	for y := range 64 {
		for x := range 64 {
			want.Set(x, y, picture.At(x, y))
		}
	}
	if err := f.Draw(f.Bounds(), picture, image.Point{}); err != nil {
		t.Fatal(err)
	}
	same(t, sim, want, 90)
}

func TestWholePictureIsNeverHeld(t *testing.T) {
	sim := displaytest.NewFramebuffer(1920, 1080, 32)
	f := opened(t, sim)
	picture := displaytest.Noise(f.Bounds())
	if err := f.clear(); err != nil { // has the simulator make its memory
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := f.Draw(f.Bounds(), picture, image.Point{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
		t.Errorf("drawing 1920x1080 takes %d bytes; the display process lives in a few MB", got)
	}
}

// BenchmarkFramebuffer draws Full HD in the worst case, in which no row is like
// the one before.
func BenchmarkFramebuffer(b *testing.B) {
	for _, bits := range []int{16, 32} {
		b.Run(fmt.Sprintf("%d bits", bits), func(b *testing.B) {
			sim := displaytest.NewFramebuffer(1920, 1080, bits)
			f, err := newFramebuffer("/dev/fb0", sim)
			if err != nil {
				b.Fatal(err)
			}
			picture := displaytest.Noise(f.Bounds())
			b.ReportAllocs()
			for b.Loop() {
				if err := f.Draw(f.Bounds(), picture, image.Point{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
