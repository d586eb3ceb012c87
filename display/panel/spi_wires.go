package panel

import (
	"errors"
	"fmt"
	"io"

	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// spiConn is a port that is given back after its use.
type spiConn interface {
	conn.Conn
	io.Closer
}

// outPin is an output, such as D/C. Nothing else of gpio.PinOut is needed.
type outPin interface {
	fmt.Stringer
	Out(level gpio.Level) error
}

// inPin is an input whose reading can fail; gpio.PinIn's cannot.
type inPin interface {
	fmt.Stringer
	Level() (gpio.Level, error)
}

// header is where panels on SPI are connected: ports, and the chips of the pins
// beside them.
type header struct {
	openPort func(path string, clock physic.Frequency) (spiConn, error)
	chips    gpioChips
}

func kernelHeader() header { return header{openSPI, kernelGPIO()} }

// pin is a line to be taken, and the setting that names it.
type pin struct {
	setting, name string
	take          func(name string) (*gpioLine, error)
}

// spiWires are a port and the lines beside it.
type spiWires struct {
	port  spiConn
	lines []*gpioLine
}

// connect opens a port and takes pins, in their order. It keeps nothing when
// one of them cannot be had.
func (h header) connect(path string, clock physic.Frequency, pins ...pin) (w spiWires, err error) {
	if w.port, err = h.openPort(path, clock); err != nil {
		return w, err
	}
	for _, p := range pins {
		line, err := p.take(p.name)
		if err != nil {
			return w, errors.Join(fmt.Errorf("%s: %w", p.setting, err), w.Close())
		}
		w.lines = append(w.lines, line)
	}
	return w, nil
}

// Close gives all of them back.
func (w spiWires) Close() error {
	err := w.port.Close()
	for _, l := range w.lines {
		err = errors.Join(err, l.Close())
	}
	return err
}
