package displaytest_test

import (
	"errors"
	"image"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"

	"lwa-agent/display/displaytest"
)

// epaper is a panel with the bare wire to it.
type epaper struct {
	*displaytest.EPaper
	t    *testing.T
	wire spi.Conn
}

func newEPaper(t *testing.T, model displaytest.EPaperModel) epaper {
	t.Helper()
	p := epaper{EPaper: displaytest.NewEPaper(model), t: t}
	var err error
	if p.wire, err = p.Connect(4*physic.MegaHertz, spi.Mode0, 8); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	return p
}

func (p epaper) send(command byte, parameters ...byte) {
	p.t.Helper()
	p.DC.Out(gpio.Low)
	if err := p.wire.Tx([]byte{command}, nil); err != nil {
		p.t.Fatal(err)
	}
	p.DC.Out(gpio.High)
	for part := range slices.Chunk(parameters, 4096) {
		if err := p.wire.Tx(part, nil); err != nil {
			p.t.Fatal(err)
		}
	}
}

// blacken fills the memory of a v4 panel with black and refreshes.
func (p epaper) blacken() {
	p.send(0x21, 0x00, 0x80)
	p.send(0x24, make([]byte, 22*296)...)
	p.send(0x22, 0xf7)
	p.send(0x20)
}

func (p epaper) wantFault(want, reason string) {
	p.t.Helper()
	if !slices.ContainsFunc(p.Faults(), func(f string) bool { return strings.Contains(f, want) }) {
		p.t.Errorf("faults %q lack %q: %s", p.Faults(), want, reason)
	}
}

func uniformGlass(v byte) *image.Gray {
	g := image.NewGray(image.Rect(0, 0, displaytest.EPaperWidth, displaytest.EPaperHeight))
	for i := range g.Pix {
		g.Pix[i] = v
	}
	return g
}

func differingPixels(a, b *image.Gray) int {
	n := 0
	for i := range a.Pix {
		if a.Pix[i] != b.Pix[i] {
			n++
		}
	}
	return n
}

func TestEPaperShowsItsMemoryOnlyAfterARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		before := p.Glass()
		p.blacken()
		if p.Busy.Read() != gpio.High {
			t.Error("BUSY is low during a refresh")
		}
		if during := differingPixels(before, p.Glass()); during == 0 {
			t.Error("the glass does not move during a refresh")
		}
		if !p.Busy.WaitForEdge(10*time.Second) || p.Busy.Read() != gpio.Low {
			t.Error("BUSY never falls")
		}
		if n := differingPixels(p.Glass(), uniformGlass(0)); n != 0 || p.Refreshes() != 1 {
			t.Errorf("%d pixels are not black after %d refreshes, want 0 after 1", n, p.Refreshes())
		}
		p.send(0x24, slices.Repeat([]byte{0xff}, 22*296)...)
		if n := differingPixels(p.Glass(), uniformGlass(0)); n != 0 {
			t.Errorf("%d pixels moved without a refresh", n)
		}
		if len(p.Faults()) > 0 {
			t.Errorf("faults: %q", p.Faults())
		}
	})
}

func TestEPaperRemembersNothingAtPowerOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		p.blacken()
		time.Sleep(5 * time.Second)
		p.PowerCycle()
		time.Sleep(time.Second)
		if n := differingPixels(p.Glass(), uniformGlass(0)); n != 0 {
			t.Errorf("%d pixels of the picture went with the power: e-paper keeps it", n)
		}
		p.send(0x22, 0xf7)
		p.send(0x20)
		time.Sleep(5 * time.Second)
		if n := differingPixels(p.Glass(), uniformGlass(0)); n < 10000 {
			t.Errorf("only %d pixels of noise: the memory outlived the power", n)
		}
	})
}

func TestEPaperInDeepSleepHearsOnlyTheResetPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		p.send(0x10, 0x01)
		p.blacken()
		if !p.Asleep() || p.Refreshes() != 0 || p.Busy.Read() != gpio.High {
			t.Errorf("asleep %v, %d refreshes, BUSY %v; want it asleep, deaf and BUSY", p.Asleep(), p.Refreshes(), p.Busy.Read())
		}
		p.Reset.Out(gpio.Low)
		p.Reset.Out(gpio.High)
		time.Sleep(time.Second)
		p.blacken()
		if p.Asleep() || p.Refreshes() != 1 {
			t.Errorf("asleep %v, %d refreshes after a reset; want it awake", p.Asleep(), p.Refreshes())
		}
	})
}

func TestEPaperLosesWhatComesWhileItIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		p.blacken()
		p.send(0x10, 0x01)
		if p.Asleep() {
			t.Error("it fell asleep in the middle of a refresh")
		}
		p.wantFault("while BUSY", "a driver that does not wait must be found out")
	})
}

func TestEPaperKeepsHalfAPictureWhenARefreshIsBrokenOff(t *testing.T) {
	for _, how := range []struct {
		name string
		do   func(epaper)
	}{
		{"reset", func(p epaper) { p.Reset.Out(gpio.Low) }},
		{"power", func(p epaper) { p.PowerCycle() }},
		{"plug", func(p epaper) { p.Unplug() }},
	} {
		t.Run(how.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newEPaper(t, displaytest.SSD1680Z)
				p.blacken()
				how.do(p)
				time.Sleep(time.Minute)
				if n := differingPixels(p.Glass(), uniformGlass(0x80)); n != 0 {
					t.Errorf("%d pixels are not grey", n)
				}
				p.wantFault("broken off", "a driver that does this must be found out")
			})
		})
	}
}

func TestEPaperWritesWithinItsWindowInTheOrderOfTheEntryMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		p.blacken()
		time.Sleep(5 * time.Second)
		p.send(0x11, 0x04) // Y first, both down
		p.send(0x44, 3, 2)
		p.send(0x45, 11, 0, 10, 0)
		p.send(0x4e, 3)
		p.send(0x4f, 11, 0)
		p.send(0x24, 0xf0, 0x0f, 0x01, 0x80, 0xff) // the fifth goes where the first went
		p.send(0x20)
		time.Sleep(5 * time.Second)
		want := uniformGlass(0)
		white := func(y int, from, to int) {
			for x := from; x < to; x++ {
				want.Pix[want.PixOffset(x, y)] = 0xff
			}
		}
		white(11, 24, 32)
		white(10, 28, 32)
		white(11, 23, 24)
		white(10, 16, 17)
		if n := differingPixels(p.Glass(), want); n != 0 {
			t.Errorf("%d pixels are wrong", n)
		}
	})
}

func TestEPaperMovesOnlyWhatDiffersInMode2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		p.blacken()
		time.Sleep(5 * time.Second)
		white := slices.Repeat([]byte{0xff}, 22*296)
		p.send(0x24, white...)
		p.send(0x26, white...)
		p.send(0x22, 0xff)
		p.send(0x20)
		time.Sleep(5 * time.Second)
		if n := differingPixels(p.Glass(), uniformGlass(0)); n != 0 {
			t.Errorf("%d pixels moved though the memories agree", n)
		}
	})
}

func TestEPaperShiftsThePictureWithTheWrongSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		p.blacken()
		time.Sleep(5 * time.Second)
		p.send(0x24, 0, 0xff)
		p.send(0x21, 0x00, 0x00)
		p.send(0x20)
		time.Sleep(5 * time.Second)
		if g := p.Glass(); g.Pix[0] != 0xff || g.Pix[8] != 0 {
			t.Error("source S0 drives the first column; the glass begins at S8")
		}
	})
}

func TestEPaperWithoutAWireTakesEverythingAndAnswersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newEPaper(t, displaytest.SSD1680Z)
		before := p.Glass()
		p.Unplug()
		p.blacken()
		if p.Busy.Read() != gpio.Low {
			t.Error("BUSY is high with nothing there to hold it")
		}
		time.Sleep(time.Minute)
		if n := differingPixels(before, p.Glass()); n != 0 {
			t.Errorf("%d pixels of an unplugged panel changed", n)
		}
		p.Plug()
		time.Sleep(time.Second)
		p.blacken()
		if p.Refreshes() != 1 {
			t.Error("plugged in again, it does nothing")
		}
	})
}

func TestEPaperFailsAsTold(t *testing.T) {
	p := displaytest.NewEPaper(displaytest.SSD1675B)
	wire, err := p.Connect(physic.MegaHertz, spi.Mode0, 8)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	p.FailAfter(2, broken)
	for i, want := range []error{nil, nil, broken, broken} {
		if err := wire.Tx([]byte{0x7f}, nil); !errors.Is(err, want) {
			t.Errorf("transfer %d: %v, want %v", i, err, want)
		}
	}
	p.FailAfter(0, nil)
	if err := wire.Tx([]byte{0x7f}, nil); err != nil || p.Bytes() != 3 {
		t.Errorf("mended: %v after %d bytes, want none after 3", err, p.Bytes())
	}
	if err := wire.Tx(make([]byte, 5000), nil); err == nil {
		t.Error("a transfer of 5000 bytes succeeded; spidev takes 4096")
	}
	if _, err := p.Connect(physic.MegaHertz, spi.Mode0, 8); err == nil {
		t.Error("a port was connected twice")
	}
}
