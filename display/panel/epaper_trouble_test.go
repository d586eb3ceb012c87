package panel

import (
	"errors"
	"image"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
)

func TestEPaperGivesUpWhenBusyStaysHigh(t *testing.T) {
	for _, when := range []struct {
		name  string
		after time.Duration
		limit time.Duration
		says  string
	}{
		{"from the start", 0, 2 * time.Second, "after its reset"},
		{"from the refresh", time.Second, 12 * time.Second, "after drawing"},
	} {
		t.Run(when.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEPaperBench(t, "waveshare2in13v4", 0)
				begin := time.Now()
				if when.after == 0 {
					b.StickBusy(gpio.High)
				} else {
					time.AfterFunc(when.after, func() { b.StickBusy(gpio.High) })
				}
				err := b.driver.Draw(b.driver.Bounds(), image.White, image.Point{})
				wantTrouble(t, err, time.Since(begin), when.limit, "GPIO24 (BUSY) is still high", when.says, "check its wires")

				b.FreeBusy()
				b.draw(b.driver.Bounds(), image.White)
				b.wantGlass(b.plain(image.White), "the same picture must be drawn again after a failure")
				if !b.Asleep() {
					t.Error("it stays under voltage")
				}
			})
		})
	}
}

func TestEPaperNoticesThatNoPanelIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		b.Unplug()
		begin := time.Now()
		err := b.driver.Draw(b.driver.Bounds(), image.White, image.Point{})
		wantTrouble(t, err, time.Since(begin), 5*time.Second, "no panel answers", "GPIO24 (BUSY) stays low", "busy_pin")
		b.Plug()
		b.draw(b.driver.Bounds(), image.White)
		b.wantGlass(b.plain(image.White), "a panel that is plugged in later must be drawn")
	})
}

func TestEPaperDrawsWithBusyBrokenOffButSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		b.StickBusy(gpio.Low)
		begin := time.Now()
		err := b.driver.Draw(b.driver.Bounds(), image.White, image.Point{})
		wantTrouble(t, err, time.Since(begin), 5*time.Second, "GPIO24 (BUSY) stays low")
		b.wantGlass(b.plain(image.White), "a command during the refresh would break it off")
		if !b.Asleep() {
			t.Error("the panel stays under voltage")
		}
	})
}

// TestEPaperForgetsWhatItShowedWhenARefreshFails goes back to the picture that
// was there before the failure.
func TestEPaperForgetsWhatItShowedWhenARefreshFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		b.draw(b.driver.Bounds(), image.White)
		time.AfterFunc(time.Second, func() { b.StickBusy(gpio.High) })
		if err := b.driver.Draw(b.driver.Bounds(), image.Black, image.Point{}); err == nil {
			t.Fatal("no error with BUSY stuck")
		}
		b.FreeBusy()
		b.draw(b.driver.Bounds(), image.White)
		b.wantGlass(b.plain(image.White), "the failed picture, a spent code perhaps, would stay")
	})
}

// TestEPaperRecoversFromEachFailingTransfer breaks the wire at every transfer of
// a picture in turn.
func TestEPaperRecoversFromEachFailingTransfer(t *testing.T) {
	for driver := range epaperModels() {
		t.Run(driver, func(t *testing.T) {
			for n := 0; ; n++ {
				var drawn bool
				synctest.Test(t, func(t *testing.T) {
					b := newEPaperBench(t, driver, 0)
					b.FailAfter(n, errWire)
					err := b.driver.Draw(b.driver.Bounds(), image.White, image.Point{})
					if drawn = err == nil; drawn {
						return
					}
					if !errors.Is(err, errWire) {
						t.Errorf("transfer %d: %v does not wrap what happened", n, err)
					}
					b.FailAfter(0, nil)
					b.draw(b.driver.Bounds(), image.White)
					glass := b.Glass()
					for i, v := range glass.Pix {
						if v != 0xff {
							t.Fatalf("after a failure at transfer %d, pixel %d is %#x: half a picture stays", n, i, v)
						}
					}
				})
				if drawn {
					if n < 10 {
						t.Errorf("a picture took %d transfers", n)
					}
					return
				}
			}
		})
	}
}

func TestEPaperHaltLeavesThePanelAsleepEvenAfterAFailure(t *testing.T) {
	for _, how := range []struct {
		name  string
		spoil func(*epaperBench)
	}{
		{"never drawn", nil},
		{"drawn", func(b *epaperBench) { b.draw(b.driver.Bounds(), image.White) }},
		{"failed", func(b *epaperBench) {
			b.FailAfter(20, errWire)
			_ = b.driver.Draw(b.driver.Bounds(), image.White, image.Point{})
			b.FailAfter(0, nil)
		}},
	} {
		t.Run(how.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEPaperBench(t, "waveshare2in13v2", 0)
				if how.spoil != nil {
					how.spoil(b)
				}
				if err := b.driver.Halt(); err != nil || !b.closed {
					t.Errorf("Halt: %v, wires given back: %v", err, b.closed)
				}
				if how.spoil != nil && !b.Asleep() {
					t.Error("the panel stays under voltage")
				}
			})
		})
	}
}

func TestEPaperHaltGivesTheWiresBackWhateverHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		b.StickBusy(gpio.High)
		_ = b.driver.Draw(b.driver.Bounds(), image.White, image.Point{})
		begin := time.Now()
		wantTrouble(t, b.driver.Halt(), time.Since(begin), 2*time.Second, "GPIO24")
		if !b.closed {
			t.Error("the next try would find its pins in use by ourselves")
		}
	})
}

// brokenPin cannot be set, as after its chip was unbound.
type brokenPin struct{ gpio.PinIO }

func (brokenPin) Out(gpio.Level) error { return errWire }
func (brokenPin) String() string       { return "GPIO17" }

func TestEPaperSaysWhichPinFails(t *testing.T) {
	for _, pin := range []struct {
		name  string
		spoil func(*epaper)
		says  string
	}{
		{"reset", func(e *epaper) { e.reset = brokenPin{gpio.INVALID} }, "reset pin GPIO17"},
		{"data/command", func(e *epaper) { e.dc = brokenPin{gpio.INVALID} }, "command 0x12"},
		{"busy", func(e *epaper) { e.busy.(*simulatedBusy).failure = errWire }, "busy pin GPIO24"},
	} {
		t.Run(pin.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newEPaperBench(t, "waveshare2in13v4", 0)
				pin.spoil(b.driver)
				err := b.driver.Draw(b.driver.Bounds(), image.White, image.Point{})
				wantTrouble(t, err, 0, 0, pin.says, errWire.Error())
			})
		})
	}
}

// shortWire takes a few bytes at a time, as a kernel whose buffer was made
// small.
type shortWire struct {
	conn.Conn
	longest *int
}

func (shortWire) MaxTxSize() int { return 100 }

func (w shortWire) Tx(out, in []byte) error {
	*w.longest = max(*w.longest, len(out))
	return w.Conn.Tx(out, in)
}

func TestEPaperSendsNoMoreAtOnceThanThePortTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newEPaperBench(t, "waveshare2in13v4", 0)
		longest := 0
		b.driver.conn = shortWire{b.driver.conn, &longest}
		b.draw(b.driver.Bounds(), image.White)
		if longest != 100 {
			t.Errorf("the longest transfer had %d bytes, want 100", longest)
		}
		b.wantGlass(b.plain(image.White), "a picture in pieces is the same picture")
	})
}
