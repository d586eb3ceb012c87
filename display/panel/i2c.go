package panel

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// i2cNodes are the adapters that the kernel's i2c-dev offers.
func i2cNodes() nodes {
	return nodes{
		like: "/dev/i2c-*", subsystem: "i2c-dev", group: "i2c",
		cure: "switch I2C on with raspi-config, or with dtparam=i2c_arm=on in /boot/firmware/config.txt and i2c-dev in /etc/modules, and reboot",
	}
}

// Requests and flags of linux/i2c-dev.h and linux/i2c.h.
const (
	i2cFuncs   = 0x0705
	i2cRdwr    = 0x0707
	i2cFuncI2C = 0x1
	i2cRead    = 0x1
)

// i2cMessage is struct i2c_msg.
type i2cMessage struct {
	address, flags, length uint16
	bytes                  *byte
}

// i2cTransfer is struct i2c_rdwr_ioctl_data.
type i2cTransfer struct {
	messages *i2cMessage
	count    uint32
}

// i2cBus is an i2c.BusCloser whose errors are the kernel's, so that they can be
// told apart. The kernel ends each transfer, after a second at most as adapters
// come: a bus on which a wire is held low is ETIMEDOUT.
type i2cBus struct{ file *os.File }

// openI2C opens an adapter such as /dev/i2c-1.
func openI2C(path string) (i2c.BusCloser, error) {
	f, err := i2cNodes().open(path)
	if err != nil {
		return nil, err
	}
	var functions uint64 // the kernel writes an unsigned long
	err = requestAt(f, i2cFuncs, &functions)
	switch {
	case errors.Is(err, unix.ENOTTY):
		err = fmt.Errorf("%s is no I2C bus; one is called /dev/i2c-1: %w", path, err)
	case err != nil:
		err = fmt.Errorf("asking what the I2C bus %s can do: %w", path, err)
	case functions&i2cFuncI2C == 0:
		err = fmt.Errorf("the adapter %s knows SMBus only, and displays need I2C; connect it to another: %w", path, unix.EOPNOTSUPP)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &i2cBus{f}, nil
}

func (b *i2cBus) String() string { return b.file.Name() }

// Close implements i2c.BusCloser.
func (b *i2cBus) Close() error { return b.file.Close() }

// SetSpeed implements i2c.Bus. Linux has no way to, other than at boot.
func (b *i2cBus) SetSpeed(physic.Frequency) error {
	return fmt.Errorf("the speed of %s is set by dtparam=i2c_arm_baudrate=400000 in /boot/firmware/config.txt: %w",
		b.file.Name(), unix.EOPNOTSUPP)
}

// Tx implements i2c.Bus: writes w, then reads r without letting go of the bus.
func (b *i2cBus) Tx(address uint16, w, r []byte) error {
	if len(w) > 0xffff || len(r) > 0xffff {
		return unix.EMSGSIZE
	}
	var messages [2]i2cMessage
	n := 0
	if len(w) > 0 {
		messages[n] = i2cMessage{address: address, length: uint16(len(w)), bytes: &w[0]}
		n++
	}
	if len(r) > 0 {
		messages[n] = i2cMessage{address: address, flags: i2cRead, length: uint16(len(r)), bytes: &r[0]}
		n++
	}
	if n == 0 {
		return nil
	}
	transfer := i2cTransfer{messages: &messages[0], count: uint32(n)}
	return requestAt(b.file, i2cRdwr, &transfer)
}

// noAnswer reports whether nobody acknowledged the address. Adapters do not
// agree on the error for it (fault-codes of the kernel's I2C manual).
func noAnswer(err error) bool {
	return errors.Is(err, unix.ENXIO) || errors.Is(err, unix.EREMOTEIO)
}

// i2cProblem says what a failed transfer means on the bus at path, where the
// addresses were tried.
func i2cProblem(err error, path string, addresses ...uint16) error {
	at := make([]string, len(addresses))
	for i, a := range addresses {
		at[i] = fmt.Sprintf("%#x", a)
	}
	detect := ""
	if number, ok := strings.CutPrefix(path, "/dev/i2c-"); ok {
		detect = " (i2cdetect -y " + number + ")"
	}
	switch {
	case noAnswer(err):
		return fmt.Errorf("no display answered at %s on %s; check power, wiring and address%s: %w",
			strings.Join(at, " or "), path, detect, err)
	case errors.Is(err, unix.ETIMEDOUT), errors.Is(err, unix.EBUSY), errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("the bus %s is not free; check that nothing holds SDA or SCL low: %w", path, err)
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ESHUTDOWN):
		return fmt.Errorf("the adapter %s is gone; plug it in: %w", path, err)
	}
	return fmt.Errorf("the transfer to %s on %s failed; check the wiring%s: %w", strings.Join(at, " or "), path, detect, err)
}
