package panel

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// Flags of a line, of linux/gpio.h.
const (
	lineInput    = 1 << 2
	lineOutput   = 1 << 3
	linePullDown = 1 << 9
)

// gpioConsumer is who has our lines, for gpioinfo and other programs' errors.
const gpioConsumer = "lwa-agent"

// gpioChips are the GPIO chips that the kernel offers as character devices,
// with the second version of their interface (Linux 5.10, linux/gpio.h). The
// older way, numbers in /sys/class/gpio, has left most distributions.
type gpioChips struct {
	nodes
	request func(f *os.File, request uintptr, argument unsafe.Pointer) error
}

func kernelGPIO() gpioChips {
	return gpioChips{
		nodes: nodes{
			like: "/dev/gpiochip*", subsystem: "gpio", group: "gpio",
			cure: "look for the chips of this device with gpiodetect (package gpiod)",
		},
		request: request,
	}
}

// gpioLine is a line that nobody else can have until it is closed.
type gpioLine struct {
	name  string
	file  *os.File
	chips gpioChips
}

// low takes a line as an output that is low from the first moment. The line is
// given by the name that the board's device tree gives it, such as GPIO25, or as
// gpiochip0:25.
func (c gpioChips) low(name string) (*gpioLine, error) {
	return c.take(name, unix.GPIOV2LineConfig{Flags: lineOutput})
}

// high is low's opposite.
func (c gpioChips) high(name string) (*gpioLine, error) {
	config := unix.GPIOV2LineConfig{Flags: lineOutput, Num_attrs: 1}
	config.Attrs[0].Attr.Id = unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES
	config.Attrs[0].Attr.Flags = 1 // the union's values: of the first line
	config.Attrs[0].Mask = 1
	return c.take(name, config)
}

// input takes a line as an input that is low with nothing connected to it,
// where the chip can do that.
func (c gpioChips) input(name string) (*gpioLine, error) {
	return c.take(name, unix.GPIOV2LineConfig{Flags: lineInput | linePullDown})
}

func (c gpioChips) take(name string, config unix.GPIOV2LineConfig) (*gpioLine, error) {
	chip, offset, err := c.find(name)
	if err != nil {
		return nil, err
	}
	defer chip.Close()
	request := unix.GPIOV2LineRequest{Config: config, Num_lines: 1}
	request.Offsets[0] = offset
	copy(request.Consumer[:], gpioConsumer)
	err = c.request(chip, unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Pointer(&request))
	switch {
	case errors.Is(err, unix.EBUSY):
		by := "the kernel"
		if l, infoErr := c.line(chip, offset); infoErr == nil && text(l.Consumer[:]) != "" {
			by = strconv.Quote(text(l.Consumer[:]))
		}
		return nil, fmt.Errorf("%s (%s:%d) is in use by %s; end that, or connect another pin: %w",
			name, filepath.Base(chip.Name()), offset, by, err)
	case err != nil:
		return nil, fmt.Errorf("taking %s (%s:%d): %w", name, filepath.Base(chip.Name()), offset, err)
	}
	file := os.NewFile(uintptr(request.Fd), name)
	return &gpioLine{name: name, file: file, chips: c}, nil
}

// find opens the chip of a line.
func (c gpioChips) find(name string) (chip *os.File, offset uint32, err error) {
	if at, number, ok := strings.Cut(name, ":"); ok {
		return c.numbered(name, at, number)
	}
	paths, _ := filepath.Glob(c.like) // the pattern is ours
	if len(paths) == 0 {
		return nil, 0, fmt.Errorf("there is no pin %s, since there is no %s; %s: %w", name, c.like, c.cure, unix.ENOENT)
	}
	var looked []string
	for _, path := range paths {
		chip, lines, openErr := c.open(path)
		if openErr != nil {
			err = openErr
			continue
		}
		for offset := range lines {
			if l, err := c.line(chip, offset); err == nil && text(l.Name[:]) == name {
				return chip, offset, nil
			}
		}
		chip.Close()
		looked = append(looked, fmt.Sprintf("%s (%d lines)", filepath.Base(path), lines))
	}
	if err != nil {
		return nil, 0, fmt.Errorf("looking for the pin %s: %w", name, err)
	}
	return nil, 0, fmt.Errorf("no pin is called %s on %s; gpioinfo (package gpiod) lists their names, or write chip and number, as in gpiochip0:25: %w",
		name, strings.Join(looked, ", "), unix.ENOENT)
}

// numbered opens the chip of a line that is given by chip and number.
func (c gpioChips) numbered(name, at, number string) (chip *os.File, offset uint32, err error) {
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return nil, 0, fmt.Errorf("%q is no pin; write its name, as in GPIO25, or chip and number, as in gpiochip0:25", name)
	}
	if !strings.HasPrefix(at, "/") {
		at = filepath.Join(filepath.Dir(c.like), at)
	}
	chip, lines, err := c.open(at)
	if err != nil {
		return nil, 0, err
	}
	if n >= uint64(lines) {
		chip.Close()
		return nil, 0, fmt.Errorf("there is no pin %s: the lines of %s are 0 to %d: %w", name, at, lines-1, unix.ENOENT)
	}
	return chip, uint32(n), nil
}

// open opens a chip and says how many lines it has.
func (c gpioChips) open(path string) (chip *os.File, lines uint32, err error) {
	if chip, err = c.nodes.open(path); err != nil {
		return nil, 0, err
	}
	var about unix.GPIOChipInfo
	err = c.request(chip, unix.GPIO_GET_CHIPINFO_IOCTL, unsafe.Pointer(&about))
	if err == nil && about.Lines > 0 {
		if _, err = c.line(chip, 0); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
			err = fmt.Errorf("the kernel is older than 5.10: %w", err)
		}
	}
	if err != nil {
		chip.Close()
		return nil, 0, fmt.Errorf("asking %s for its lines: %w", path, err)
	}
	return chip, about.Lines, nil
}

func (c gpioChips) line(chip *os.File, offset uint32) (unix.GPIOV2LineInfo, error) {
	l := unix.GPIOV2LineInfo{Offset: offset}
	err := c.request(chip, unix.GPIO_V2_GET_LINEINFO_IOCTL, unsafe.Pointer(&l))
	return l, err
}

// text is what stands in an array before its first zero.
func text(b []byte) string {
	before, _, _ := bytes.Cut(b, []byte{0})
	return string(before)
}

func (l *gpioLine) String() string { return l.name }

// Out implements outPin.
func (l *gpioLine) Out(level gpio.Level) error {
	v := unix.GPIOV2LineValues{Mask: 1}
	if level == gpio.High {
		v.Bits = 1
	}
	return l.chips.request(l.file, unix.GPIO_V2_LINE_SET_VALUES_IOCTL, unsafe.Pointer(&v))
}

// Level implements inPin: it reads an input, or an output as it was set.
func (l *gpioLine) Level() (gpio.Level, error) {
	v := unix.GPIOV2LineValues{Mask: 1}
	err := l.chips.request(l.file, unix.GPIO_V2_LINE_GET_VALUES_IOCTL, unsafe.Pointer(&v))
	return v.Bits&1 != 0, err
}

// Close gives the line back. An output stays as it is until somebody else takes
// it, on most chips.
func (l *gpioLine) Close() error { return l.file.Close() }
