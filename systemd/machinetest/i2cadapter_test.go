//go:build machinetest

package machinetest

import (
	"encoding/binary"
	"fmt"
	"image/png"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"periph.io/x/conn/v3/i2c"

	"lwa-agent/display/displaytest"
)

// An i2cAdapter is the USB-I2C adapter that Linux's driver i2c-tiny-usb knows
// (drivers/i2c/busses/i2c-tiny-usb.c), with a bus of the test behind it.
type i2cAdapter struct {
	bus    i2c.Bus
	status byte // of the last transfer
}

// Requests of i2c-tiny-usb, and its answers to adapterStatus.
const (
	adapterFunctions = 1
	adapterDelay     = 2 // between the edges of its clock
	adapterStatus    = 3
	adapterTransfer  = 4 // with 1 at the begin and 2 at the end of a transaction

	addressAck = 1
	addressNak = 2

	// I2C_FUNC_I2C and what can be emulated with it of SMBus
	// (Documentation/i2c/functionality.rst).
	canI2C = 0x0eff0001
)

func (a *i2cAdapter) identity() (vendor, product, version uint16) { return 0x0403, 0xc631, 0x0205 }

func (a *i2cAdapter) control(c controlRequest) ([]byte, error) {
	switch {
	case c.request == adapterFunctions:
		return binary.LittleEndian.AppendUint32(nil, canI2C), nil
	case c.request == adapterDelay:
		return nil, nil
	case c.request == adapterStatus:
		return []byte{a.status}, nil
	case c.request&^3 == adapterTransfer:
		return a.transfer(c.index, c)
	}
	return nil, fmt.Errorf("no request %d", c.request)
}

// transfer is one message. Write and read of one transaction come as two, which
// a panel does not notice.
func (a *i2cAdapter) transfer(address uint16, c controlRequest) ([]byte, error) {
	var in []byte
	if c.toHost() {
		in = make([]byte, c.length)
	}
	a.status = addressAck
	if a.bus.Tx(address, c.out, in) != nil {
		a.status = addressNak
	}
	return in, nil
}

// adapterPorts is how many such adapters fit into the machine.
const adapterPorts = 2

func (m *machine) adapterPort(port int) string { return fmt.Sprintf("%s/adapter%d", m.lines, port) }

// withAdapterPorts are USB ports of the machine, for powerOn.
func (m *machine) withAdapterPorts() []string {
	var args []string
	for port := range adapterPorts {
		args = append(args,
			"-chardev", fmt.Sprintf("socket,id=adapter%d,server=on,wait=off,path=%s", port, m.adapterPort(port)),
			"-device", fmt.Sprintf("usb-redir,chardev=adapter%d", port))
	}
	return args
}

// plugIn puts an adapter with that bus into a port and returns its device in the
// machine. unplug takes it out again.
func (m *machine) plugIn(port int, bus i2c.Bus) (device string, unplug func()) {
	m.t.Helper()
	before := m.adapters()
	conn, err := net.Dial("unix", m.adapterPort(port))
	if err != nil {
		m.t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r := redirect{conn: conn, function: &i2cAdapter{bus: bus}}
		r.serve() // it ends when the cable is pulled
	}()
	unplug = func() {
		conn.Close()
		<-gone
	}
	m.t.Cleanup(unplug)
	m.await(noticed, "the machine to know its I2C adapter", func() (bool, string) {
		for _, path := range m.adapters() {
			if !slices.Contains(before, path) {
				device = path
				_, err := m.run("test", "-c", device)
				return err == nil, device + " is not there"
			}
		}
		return false, fmt.Sprintf("it knows %q, as before", before)
	})
	return device, unplug
}

// adapters are the devices of those that the machine's kernel knows.
func (m *machine) adapters() []string {
	m.t.Helper()
	out := m.must("sh", "-c", "grep -ls i2c-tiny-usb /sys/bus/i2c/devices/i2c-*/name; true")
	var paths []string
	for line := range strings.Lines(out) {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "/sys/bus/i2c/devices/"), "/")
		paths = append(paths, "/dev/"+name)
	}
	return paths
}

// awaitPanel waits until a phone could read that address from a panel.
func (m *machine) awaitPanel(name string, panel *displaytest.OLED, address string) {
	m.t.Helper()
	m.await(noticed, "the panel to show the link", func() (bool, string) {
		read, err := zbar(m.t, m.photograph(name, panel))
		if err != nil {
			return false, err.Error()
		}
		return read == address, fmt.Sprintf("it shows %q, not %q", read, address)
	})
}

// photograph makes a picture file of what a phone's camera sees of a panel.
func (m *machine) photograph(name string, panel *displaytest.OLED) string {
	m.t.Helper()
	path := filepath.Join(m.pictures, name+".png")
	out, err := os.Create(path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer out.Close()
	if err := png.Encode(out, displaytest.Photo(panel.Picture())); err != nil {
		m.t.Fatal(err)
	}
	return path
}
