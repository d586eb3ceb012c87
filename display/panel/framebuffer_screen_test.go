package panel

import (
	"errors"
	"fmt"
	"image"
	"strings"
	"syscall"
	"testing"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

const offeredURL = "https://amazon.com/us/code?cbl-code=BEYHYS"

// watched is a framebuffer under a console that cannot be kept quiet.
func watched(t *testing.T, sim *displaytest.Framebuffer) *framebufferScreen {
	t.Helper()
	f := opened(t, sim)
	return &framebufferScreen{framebuffer: f, turned: f, watch: true}
}

func shows(t *testing.T, d display.Display, sim *displaytest.Framebuffer) {
	t.Helper()
	said, err := d.Draw(pair("BEYHYS"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := displaytest.DecodeQR(sim.Picture()); err != nil || got != offeredURL {
		t.Errorf("a phone reads %q (%v), want %q; said is %q", got, err, offeredURL, said)
	}
}

func TestCodeIsReadFromEveryScreen(t *testing.T) {
	for name, sim := range framebuffers() {
		t.Run(name, func(t *testing.T) { shows(t, watched(t, sim), sim) })
	}
	for size, depths := range map[image.Point][]int{{480, 320}: {16, 24, 32}, {1366, 768}: {24}, {1920, 1080}: {32}} {
		for _, bits := range depths {
			t.Run(fmt.Sprintf("%dx%d, %d bits", size.X, size.Y, bits), func(t *testing.T) {
				sim := displaytest.NewFramebuffer(size.X, size.Y, bits)
				shows(t, watched(t, sim), sim)
			})
		}
	}
}

func TestUnchangedScreenWritesNothing(t *testing.T) {
	sim := displaytest.NewFramebuffer(640, 480, 16)
	d := watched(t, sim)
	shows(t, d, sim)
	if sim.Written() == 0 {
		t.Fatal("nothing was written for the first picture")
	}
	for range 3 {
		shows(t, d, sim)
	}
	if n := sim.Written(); n != 0 {
		t.Errorf("%d bytes were written for a picture that stood there already", n)
	}
}

// TestTextOverThePictureIsRepaired writes what a console writes, in every third
// row of letters.
func TestTextOverThePictureIsRepaired(t *testing.T) {
	sim := displaytest.NewFramebuffer(640, 480, 32)
	d := watched(t, sim)
	shows(t, d, sim)
	whole := sim.Memory()
	for y := 0; y+8 <= 480; y += 24 {
		sim.Scribble(image.Rect(8, y, 640, y+8))
		if _, err := d.Draw(pair("BEYHYS")); err != nil || string(sim.Memory()) != string(whole) {
			t.Fatalf("text at row %d stays in the picture", y)
		}
	}
	d.watch = false
	sim.Written()
	sim.Scribble(image.Rect(0, 0, 8, 8))
	if _, err := d.Draw(pair("BEYHYS")); err != nil || sim.Written() != 0 {
		t.Error("the picture is looked after where the console is kept quiet; that reads megabytes for nothing")
	}
}

func TestAnotherModeIsDrawnAnew(t *testing.T) {
	sim := displaytest.NewFramebuffer(640, 480, 32)
	d := watched(t, sim)
	shows(t, d, sim)
	sim.Width, sim.Height, sim.LineLength = 480, 320, 4*480
	shows(t, d, sim)
	sim.BitsPerPixel, sim.Red, sim.Green, sim.Blue, sim.LineLength = 16, displaytest.Bitfield{Offset: 11, Length: 5}, displaytest.Bitfield{Offset: 5, Length: 6}, displaytest.Bitfield{Length: 5}, 2*480
	shows(t, d, sim)
	sim.BitsPerPixel, sim.Visual = 8, 3
	if _, err := d.Draw(pair("BEYHYS")); !errors.Is(err, errDepth) || !strings.Contains(err.Error(), "/dev/fb0") {
		t.Errorf("a mode that cannot be drawn on: error %v", err)
	}
}

func TestScreenThatIsPulledOut(t *testing.T) {
	sim := displaytest.NewFramebuffer(640, 480, 32)
	d := watched(t, sim)
	shows(t, d, sim)
	sim.Fail(syscall.ENODEV)
	if _, err := d.Draw(pair("BEYHYS")); !errors.Is(err, syscall.ENODEV) {
		t.Errorf("error %v, want ENODEV: only an error has it opened again", err)
	}
	if d.Close(); !sim.Closed() {
		t.Error("the device stays open; each attempt would cost a descriptor")
	}
}

func TestNoCodeIsLeftBehind(t *testing.T) {
	for name, leave := range map[string]func(d display.Display) error{
		"Close": display.Display.Close,
		"blank": func(d display.Display) error { _, err := d.Draw(display.Screen{}); return err },
	} {
		sim := displaytest.NewFramebuffer(640, 480, 32)
		d := watched(t, sim)
		restored := 0
		d.redraw = func() error { restored++; return nil }
		shows(t, d, sim)
		if err := errors.Join(leave(d), leave(d)); err != nil && name != "Close" {
			t.Fatal(err)
		}
		if restored != 1 {
			t.Errorf("%s: the console was asked %d times for its text, want once", name, restored)
		}
		for _, b := range sim.Memory() {
			if b != 0 {
				t.Fatalf("%s leaves something of the picture; a screen keeps it until somebody draws", name)
			}
		}
		if name == "blank" {
			shows(t, d, sim)
		}
	}
}

func TestUntouchedScreenIsLeftAlone(t *testing.T) {
	sim := displaytest.NewFramebuffer(640, 480, 32)
	d := watched(t, sim)
	if _, err := d.Draw(display.Screen{}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil || sim.Written() != 0 {
		t.Errorf("a blank screen wrote over a console that nobody had covered (%v)", err)
	}
}

func TestMissingAndForbiddenFramebuffers(t *testing.T) {
	_, err := openFramebuffer(Config{Device: t.TempDir() + "/fb0"})
	if err == nil || !strings.Contains(err.Error(), "/proc/fb") {
		t.Errorf("no framebuffer: error %v does not say where to look", err)
	}
	_, err = openFramebuffer(Config{Device: "/dev/null"})
	if err == nil || !strings.Contains(err.Error(), "no framebuffer") {
		t.Errorf("/dev/null: error %v does not say that it is no framebuffer", err)
	}
}
