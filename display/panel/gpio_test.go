package panel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// simulatedGPIO answers the requests of linux/gpio.h for files that stand for
// chips, by the kernel's rules: a line is had by one, until its file is closed.
type simulatedGPIO struct {
	t     *testing.T
	dir   string
	chips map[string][]*simulatedLine
	held  map[int]*simulatedLine // by descriptor
	old   bool                   // it knows the first version of the interface alone
}

type simulatedLine struct {
	name, consumer string
	flags          uint64
	level          gpio.Level
	set            func(gpio.Level) error
	get            func() gpio.Level
	watch          int // the other end of the pipe that was handed out; 0: none
}

func newSimulatedGPIO(t *testing.T) *simulatedGPIO {
	g := &simulatedGPIO{t: t, dir: t.TempDir(), chips: make(map[string][]*simulatedLine), held: make(map[int]*simulatedLine)}
	g.add("gpiochip0", "ID_SDA", "", "GPIO2")
	g.add("gpiochip1", "GPIO17", "GPIO24", "GPIO25", "GPIO8")
	g.chips["gpiochip1"][3].consumer = "spi0 CS0"
	return g
}

func (g *simulatedGPIO) add(chip string, names ...string) {
	for _, n := range names {
		g.chips[chip] = append(g.chips[chip], &simulatedLine{name: n})
	}
	if err := os.WriteFile(filepath.Join(g.dir, chip), nil, 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// on is what opens lines here.
func (g *simulatedGPIO) on() gpioChips {
	c := kernelGPIO()
	c.like, c.request = filepath.Join(g.dir, "gpiochip*"), g.request
	return c
}

func (g *simulatedGPIO) line(name string) *simulatedLine {
	for _, lines := range g.chips {
		for _, l := range lines {
			if l.name == name {
				return l
			}
		}
	}
	g.t.Fatalf("there is no line %s", name)
	return nil
}

// taken reports whether the file of a line is open.
func (l *simulatedLine) taken() bool {
	if l.watch == 0 {
		return l.consumer != ""
	}
	_, err := unix.Read(l.watch, make([]byte, 1)) // the end when its writer is closed
	return errors.Is(err, unix.EAGAIN)
}

func (g *simulatedGPIO) request(f *os.File, request uintptr, argument unsafe.Pointer) error {
	lines, isChip := g.chips[filepath.Base(f.Name())]
	switch request {
	case unix.GPIO_GET_CHIPINFO_IOCTL:
		if !isChip {
			return unix.ENOTTY
		}
		(*unix.GPIOChipInfo)(argument).Lines = uint32(len(lines))
	case unix.GPIO_V2_GET_LINEINFO_IOCTL:
		about := (*unix.GPIOV2LineInfo)(argument)
		if g.old || int(about.Offset) >= len(lines) {
			return unix.EINVAL
		}
		copy(about.Name[:], lines[about.Offset].name)
		copy(about.Consumer[:], lines[about.Offset].consumer)
	case unix.GPIO_V2_GET_LINE_IOCTL:
		return g.hand(lines, (*unix.GPIOV2LineRequest)(argument))
	case unix.GPIO_V2_LINE_SET_VALUES_IOCTL:
		l := g.held[int(f.Fd())]
		if l.flags&lineOutput == 0 {
			return unix.EPERM
		}
		l.level = (*unix.GPIOV2LineValues)(argument).Bits&1 != 0
		if l.set != nil {
			return l.set(l.level)
		}
	case unix.GPIO_V2_LINE_GET_VALUES_IOCTL:
		l := g.held[int(f.Fd())]
		if l.get != nil {
			l.level = l.get()
		}
		if l.level {
			(*unix.GPIOV2LineValues)(argument).Bits = 1
		}
	default:
		return unix.ENOTTY
	}
	return nil
}

func (g *simulatedGPIO) hand(lines []*simulatedLine, r *unix.GPIOV2LineRequest) error {
	if r.Num_lines != 1 || int(r.Offsets[0]) >= len(lines) {
		return unix.EINVAL
	}
	l := lines[r.Offsets[0]]
	if l.taken() {
		return unix.EBUSY
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	g.t.Cleanup(func() { unix.Close(pipe[0]) })
	l.watch, l.consumer, l.flags, l.level = pipe[0], text(r.Consumer[:]), r.Config.Flags, gpio.Low
	for _, a := range r.Config.Attrs[:r.Config.Num_attrs] {
		if a.Attr.Id == unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES && a.Mask&1 != 0 {
			l.level = a.Attr.Flags&1 != 0
		}
	}
	r.Fd = int32(pipe[1])
	g.held[pipe[1]] = l
	return nil
}

// TestGPIORequestsAreAsLongAsTheKernelSays guards the structures on each
// architecture: the number of a request holds the size of its argument in bits
// 16 to 29.
func TestGPIORequestsAreAsLongAsTheKernelSays(t *testing.T) {
	for _, r := range []struct {
		request, size uintptr
		offset, want  uintptr // of the last field that we use
	}{
		{unix.GPIO_GET_CHIPINFO_IOCTL, unsafe.Sizeof(unix.GPIOChipInfo{}), unsafe.Offsetof(unix.GPIOChipInfo{}.Lines), 64},
		{unix.GPIO_V2_GET_LINEINFO_IOCTL, unsafe.Sizeof(unix.GPIOV2LineInfo{}), unsafe.Offsetof(unix.GPIOV2LineInfo{}.Flags), 72},
		{unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Sizeof(unix.GPIOV2LineRequest{}), unsafe.Offsetof(unix.GPIOV2LineRequest{}.Fd), 588},
		{unix.GPIO_V2_LINE_GET_VALUES_IOCTL, unsafe.Sizeof(unix.GPIOV2LineValues{}), unsafe.Offsetof(unix.GPIOV2LineValues{}.Mask), 8},
	} {
		if want := r.request >> 16 & 0x3fff; r.size != want || r.offset != r.want {
			t.Errorf("request %#x: %d bytes, want %d; a field at %d, want %d", r.request, r.size, want, r.offset, r.want)
		}
	}
}

func TestGPIOLinesAreFoundByNameOrByChipAndNumber(t *testing.T) {
	for _, name := range []string{"GPIO25", "gpiochip1:2"} {
		g := newSimulatedGPIO(t)
		l, err := g.on().high(name)
		if err != nil {
			t.Fatal(err)
		}
		taken := g.line("GPIO25")
		if taken.consumer != "lwa-agent" || taken.flags != lineOutput || taken.level != gpio.High {
			t.Errorf("%s: consumer %q, flags %#x, %v; want an output of lwa-agent that was never low", name, taken.consumer, taken.flags, taken.level)
		}
		if err := l.Out(gpio.Low); err != nil || taken.level != gpio.Low {
			t.Errorf("%s cannot be set: %v", name, err)
		}
		if err := l.Close(); err != nil || taken.taken() {
			t.Errorf("%s is not given back: %v", name, err)
		}
	}
}

func TestGPIOInputIsPulledDown(t *testing.T) {
	g := newSimulatedGPIO(t)
	l, err := g.on().input("GPIO24")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if f := g.line("GPIO24").flags; f != lineInput|linePullDown {
		t.Errorf("flags %#x: a BUSY that is not connected would read as anything", f)
	}
	for _, want := range []gpio.Level{gpio.High, gpio.Low} {
		g.line("GPIO24").level = want
		if got, err := l.Level(); got != want || err != nil {
			t.Errorf("it reads %v (%v), want %v", got, err, want)
		}
	}
}

func TestGPIOErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name string
		pin  string
		do   func(*simulatedGPIO)
		is   error
		says []string
	}{
		{"held by another", "GPIO8", nil, syscall.EBUSY, []string{`GPIO8 (gpiochip1:3) is in use by "spi0 CS0"`, "connect another pin"}},
		{"no such name", "GPIO99", nil, fs.ErrNotExist, []string{"no pin is called GPIO99", "gpiochip0 (3 lines), gpiochip1 (4 lines)", "gpioinfo"}},
		{"a bare number", "25", nil, fs.ErrNotExist, []string{"no pin is called 25", "as in gpiochip0:25"}},
		{"no such number", "gpiochip1:4", nil, fs.ErrNotExist, []string{"0 to 3"}},
		{"nonsense", "gpiochip1:x", nil, nil, []string{`"gpiochip1:x" is no pin`, "GPIO25"}},
		{"no such chip", "gpiochip7:1", nil, fs.ErrNotExist, []string{"gpiochip7", "gpiodetect"}},
		{"not a chip", "zero:1", func(g *simulatedGPIO) { os.WriteFile(filepath.Join(g.dir, "zero"), nil, 0o600) }, syscall.ENOTTY, []string{"zero"}},
		{"no chips", "GPIO25", func(g *simulatedGPIO) {
			for chip := range g.chips {
				os.Remove(filepath.Join(g.dir, chip))
			}
		}, fs.ErrNotExist, []string{"there is no pin GPIO25", "gpiochip*"}},
		{"an old kernel", "GPIO25", func(g *simulatedGPIO) { g.old = true }, syscall.EINVAL, []string{"older than 5.10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newSimulatedGPIO(t)
			if c.do != nil {
				c.do(g)
			}
			before := openFiles(t)
			_, err := g.on().low(c.pin)
			if err == nil || c.is != nil && !errors.Is(err, c.is) {
				t.Fatalf("%v, want %v", err, c.is)
			}
			for _, w := range c.says {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if after := openFiles(t); after != before {
				t.Errorf("%d files stay open; it is tried every 30 s", after-before)
			}
		})
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
