package displaytest_test

import (
	"bytes"
	"errors"
	"image"
	"image/draw"
	"slices"
	"syscall"
	"testing"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/ssd1306"
	"periph.io/x/devices/v3/ssd1306/image1bit"

	"lwa-agent/display/displaytest"
)

// periphOLED is the driver of periph.io, which runs on real panels, for one of that
// height.
func periphOLED(t *testing.T, bus i2c.Bus, height int) *ssd1306.Dev {
	t.Helper()
	opts := ssd1306.DefaultOpts
	opts.H, opts.Sequential = height, height == 32
	dev, err := ssd1306.NewI2C(bus, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

func TestPeriphsDriverShowsItsPictureOnTheSimulatedSSD1306(t *testing.T) {
	for _, height := range []int{64, 32} {
		panel, bus := displaytest.NewSSD1306(height), displaytest.NewI2CBus()
		bus.Plug(0x3c, panel)
		dev := periphOLED(t, bus, height)
		want := displaytest.Noise(panel.Bounds())
		if displaytest.Differing(panel.Picture(), want) < 1000 {
			t.Error("a panel that was never drawn on shows a picture; its memory comes up at random")
		}
		if err := dev.Draw(dev.Bounds(), want, image.Point{}); err != nil {
			t.Fatal(err)
		}
		if n := displaytest.Differing(panel.Picture(), want); n != 0 {
			t.Errorf("%d of %d pixels are wrong on the panel with %d lines", n, len(want.Pix), height)
		}
		if traffic := bus.Traffic(); height == 64 && (traffic.Bytes != 1097 || traffic.Transfers != 17 ||
			traffic.At(100*physic.KiloHertz).Round(time.Millisecond/10) != 100600*time.Microsecond) {
			t.Errorf("traffic %+v, which takes %v at 100 kHz; a real bus was computed to take 100.6 ms",
				traffic, traffic.At(100*physic.KiloHertz))
		}
		if err := dev.Invert(true); err != nil {
			t.Fatal(err)
		}
		if n := displaytest.Differing(panel.Picture(), want); n != len(want.Pix) {
			t.Errorf("inverted, %d pixels of %d differ, want all", n, len(want.Pix))
		}
		if err := dev.Halt(); err != nil || panel.On() || slices.Max(panel.Picture().Pix) != 0 {
			t.Errorf("the panel is lit after Halt (%v)", err)
		}
		if c := panel.Complaints(); len(c) != 0 {
			t.Errorf("the real driver does what the datasheet does not provide for: %q", c)
		}
	}
}

func TestPeriphsPartialDrawsLandWhereTheyShould(t *testing.T) {
	panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
	bus.Plug(0x3c, panel)
	dev := periphOLED(t, bus, 64)
	want := displaytest.Noise(panel.Bounds())
	if err := dev.Draw(dev.Bounds(), want, image.Point{}); err != nil {
		t.Fatal(err)
	}
	for x := range 118 {
		box := image.Rect(x, x%50, x+10, x%50+9)
		draw.Draw(want, box, image.White, image.Point{}, draw.Src)
		if err := dev.Draw(dev.Bounds(), want, image.Point{}); err != nil {
			t.Fatal(err)
		}
		if n := displaytest.Differing(panel.Picture(), want); n != 0 {
			t.Fatalf("%d pixels are wrong after a box at %v", n, box)
		}
	}
}

// The initialisation of periph's driver has the command 21 with the arguments 0
// and 127. The SH1106 has no such command, and takes 7F for another: the start
// line is 63. Its memory also begins two columns left of the glass.
func TestPeriphsDriverIsWrongOnAnSH1106(t *testing.T) {
	panel, bus := displaytest.NewSH1106(), displaytest.NewI2CBus()
	bus.Plug(0x3c, panel)
	dev := periphOLED(t, bus, 64)
	want := displaytest.Noise(panel.Bounds())
	if err := dev.Draw(dev.Bounds(), want, image.Point{}); err != nil {
		t.Fatal(err)
	}
	got, moved := panel.Picture(), 0
	for y := range 64 {
		for x := range 126 {
			if got.GrayAt(x, (y+1)%64) == want.GrayAt(x+2, y) {
				moved++
			}
		}
	}
	if moved != 64*126 {
		t.Errorf("%d of %d pixels are where two columns left and one line down puts them", moved, 64*126)
	}
	if c := panel.Complaints(); len(c) != 5 || c[0] != "the SH1106 has no command 0x8d" {
		t.Errorf("complaints %q, want one for each of 8d, 2e, 20, 21, 22", c)
	}
}

// Two columns added to the lower half of the address are no cure: from a column
// of which the half is 14 or 15 they carry into the upper half.
func TestAddingTwoColumnsForAnSH1106NeedsACarry(t *testing.T) {
	panel, bus := displaytest.NewSH1106(), displaytest.NewI2CBus()
	bus.Plug(0x3c, panel)
	send := func(w ...byte) {
		t.Helper()
		if err := bus.Tx(0x3c, w, nil); err != nil {
			t.Fatal(err)
		}
	}
	send(0x00, 0xda, 0x12, 0xa1, 0xc8, 0xaf)
	for page := range byte(8) {
		send(0x00, 0xb0|page, 0x02, 0x10)
		send(append([]byte{0x40}, make([]byte, 128)...)...)
	}
	const column = 30
	send(0x00, 0xb0, 0x00|column&0x0f+2, 0x10|column>>4)
	send(0x40, 0xff)
	if got := panel.Picture().GrayAt(column, 0).Y; got != 0 {
		t.Error("without a carry the byte is at its place; then the fault is not the one known of periph's main branch")
	}
	if got := panel.Picture().GrayAt(16, 0).Y; got != 0xff {
		t.Error("the byte is elsewhere than where the upper half alone puts it")
	}
}

func TestWhatThePanelShowsFollowsItsRegisters(t *testing.T) {
	for _, test := range []struct {
		name     string
		commands []byte
		lit      image.Point // of the bit at page 0, column 0, bit 0; nowhere: -1
	}{
		{"as modules are mounted", []byte{0xa1, 0xc8}, image.Pt(0, 0)},
		{"segments not remapped", []byte{0xa0, 0xc8}, image.Pt(127, 0)},
		{"commons forwards", []byte{0xa1, 0xc0}, image.Pt(0, 63)},
		{"both", []byte{0xa0, 0xc0}, image.Pt(127, 63)},
		{"start line 8", []byte{0xa1, 0xc8, 0x48}, image.Pt(0, 56)},
		{"offset 8", []byte{0xa1, 0xc8, 0xd3, 8}, image.Pt(0, 56)},
		{"multiplex ratio 48", []byte{0xa1, 0xc8, 0xa8, 47}, image.Pt(0, 16)},
		{"sequential commons on a glass for alternate ones", []byte{0xa1, 0xc8, 0xda, 0x02}, image.Pt(0, 0)},
		{"sides swapped", []byte{0xa1, 0xc8, 0xda, 0x32}, image.Pt(0, 1)},
		{"charge pump off", []byte{0xa1, 0xc8, 0x8d, 0x10}, image.Pt(-1, -1)},
		{"off", []byte{0xa1, 0xc8, 0xae}, image.Pt(-1, -1)},
	} {
		panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
		bus.Plug(0x3c, panel)
		for _, w := range [][]byte{
			{0x00, 0x8d, 0x14, 0xaf, 0x20, 0x00, 0x21, 0, 127, 0x22, 0, 7},
			append([]byte{0x40, 0x01}, make([]byte, 1023)...),
			append([]byte{0x00}, test.commands...),
		} {
			if err := bus.Tx(0x3c, w, nil); err != nil {
				t.Fatal(err)
			}
		}
		picture, at := panel.Picture(), image.Pt(-1, -1)
		if i := bytes.IndexByte(picture.Pix, 0xff); i >= 0 {
			at = image.Pt(i%128, i/128)
		}
		if at != test.lit {
			t.Errorf("%s: the pixel is at %v, want %v", test.name, at, test.lit)
		}
	}
}

func TestAddressingModesFillTheWindow(t *testing.T) {
	for _, test := range []struct {
		mode byte
		want []image.Point // pages are 8 lines
	}{
		{0, []image.Point{{10, 8}, {11, 8}, {12, 8}, {10, 16}, {11, 16}, {12, 16}, {10, 8}}},
		{1, []image.Point{{10, 8}, {10, 16}, {11, 8}, {11, 16}, {12, 8}, {12, 16}, {10, 8}}},
		{2, []image.Point{{10, 8}, {11, 8}, {12, 8}, {13, 8}, {14, 8}}},
	} {
		panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
		bus.Plug(0x3c, panel)
		send := func(w ...byte) {
			if err := bus.Tx(0x3c, w, nil); err != nil {
				t.Fatal(err)
			}
		}
		for page := range byte(8) { // each byte after a control byte of its own, as some drivers send
			send(0x80, 0xb0|page, 0x80, 0x00, 0x80, 0x10)
			send(append([]byte{0x40}, make([]byte, 128)...)...)
		}
		send(0x00, 0x8d, 0x14, 0xaf, 0xa1, 0xc8, 0x20, test.mode, 0x21, 10, 12, 0x22, 1, 2)
		for i, at := range test.want {
			before := panel.Picture()
			send(0xc0, byte(i)|1)
			after := panel.Picture()
			if i == 0 && before.GrayAt(at.X, at.Y).Y != 0 || after.GrayAt(at.X, at.Y).Y != 0xff {
				t.Errorf("mode %d: byte %d is not at %v", test.mode, i, at)
			}
		}
		if c := panel.Complaints(); len(c) != 0 {
			t.Errorf("mode %d: %q", test.mode, c)
		}
	}
}

func TestSimulatedBusFailsAsWiresDo(t *testing.T) {
	panel, bus := displaytest.NewSSD1306(64), displaytest.NewI2CBus()
	nop := []byte{0x00, 0xe3}
	if err := bus.Tx(0x3c, nop, nil); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("an address with nothing there gives %v, want ENXIO", err)
	}
	bus.Plug(0x3c, panel)
	if err := bus.Tx(0x3d, nop, nil); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("another address gives %v, want ENXIO", err)
	}
	bus.FailAfter(2, syscall.ETIMEDOUT)
	for i := range 4 {
		if err := bus.Tx(0x3c, nop, nil); errors.Is(err, syscall.ETIMEDOUT) != (i >= 2) {
			t.Errorf("transfer %d gives %v", i, err)
		}
	}
	bus.FailAfter(0, nil)
	var status [1]byte
	if err := bus.Tx(0x3c, []byte{0x00}, status[:]); err != nil || status[0]&0x40 == 0 {
		t.Errorf("status %#x (%v), want bit 6: nobody switched it on", status, err)
	}
	if err := errors.Join(bus.Tx(0x3c, []byte{0x00, 0xaf}, nil), bus.Tx(0x3c, []byte{0x00}, status[:])); err != nil || status[0]&0x40 != 0 {
		t.Errorf("status %#x (%v), want bit 6 cleared: it is on", status, err)
	}
	bus.Unplug(0x3c)
	if err := bus.Tx(0x3c, nop, nil); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("an unplugged panel gives %v, want ENXIO", err)
	}
	bus.Plug(0x3c, panel)
	if err := bus.Tx(0x3c, []byte{0x00}, status[:]); err != nil || status[0]&0x40 == 0 {
		t.Errorf("status %#x (%v): a panel that lost its supply is off", status, err)
	}
}

func TestPeriphsDriverShowsItsPictureOverSPI(t *testing.T) {
	panel := displaytest.NewSSD1306(64)
	port := displaytest.NewSPIPort(panel, false)
	dev, err := ssd1306.NewSPI(port, port.DC, &ssd1306.DefaultOpts)
	if err != nil {
		t.Fatal(err)
	}
	want := displaytest.Noise(panel.Bounds())
	bits := image1bit.NewVerticalLSB(want.Rect)
	draw.Draw(bits, bits.Rect, want, image.Point{}, draw.Src)
	if err := dev.Draw(dev.Bounds(), bits, image.Point{}); err != nil {
		t.Fatal(err)
	}
	if n := displaytest.Differing(panel.Picture(), want); n != 0 {
		t.Errorf("%d of %d pixels are wrong", n, len(want.Pix))
	}
}
