package panel

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestBusThatIsSwitchedOffIsToldWithTheCure(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		device, cure string
		open         func(path string) error
	}{
		{"i2c-1", "dtparam=i2c_arm=on in /boot/firmware/config.txt", func(path string) error {
			_, _, err := openSSD1306(Config{Device: path})
			return err
		}},
		{"i2c-2", "i2c-dev in /etc/modules", func(path string) error {
			_, _, err := openSH1106(Config{Device: path})
			return err
		}},
		{"spidev0.0", "dtparam=spi=on in /boot/firmware/config.txt", func(path string) error {
			_, err := openSPI(path, oledClock)
			return err
		}},
	} {
		path := filepath.Join(dir, test.device)
		err := test.open(path)
		if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "there is no "+path+"; ") || !strings.Contains(err.Error(), test.cure) {
			t.Errorf("status would say %v, want the cure with %s", err, test.cure)
		}
	}
}

func TestOtherBusesAreNamedWhereTheOneIsMissing(t *testing.T) {
	dir := t.TempDir()
	n := i2cNodes()
	n.like = filepath.Join(dir, "i2c-*")
	for _, name := range []string{"i2c-20", "i2c-21"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := n.open(filepath.Join(dir, "i2c-1"))
	if want := filepath.Join(dir, "i2c-1") + ", only " + filepath.Join(dir, "i2c-20") + ", " + filepath.Join(dir, "i2c-21") + "; "; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("status would say %v, want %q", err, want)
	}
}

func TestWhatIsNoBusIsToldSo(t *testing.T) {
	if _, err := openI2C(os.DevNull); !errors.Is(err, syscall.ENOTTY) || !strings.HasPrefix(err.Error(), "/dev/null is no I2C bus; ") {
		t.Errorf("status would say %v", err)
	}
	if _, err := openSPI(os.DevNull, oledClock); !errors.Is(err, syscall.ENOTTY) || !strings.HasPrefix(err.Error(), "/dev/null is no SPI port; ") {
		t.Errorf("status would say %v", err)
	}
}

// asNobody runs do as a user who owns nothing, where the tests run as root, by
// the kernel's checks of files alone.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := unix.SetfsuidRetUid(nobody); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setfsuid(0) }()
	do()
}

func TestRefusalNamesTheGroup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "i2c-1")
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.WriteFile(path, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	deny := func(mode fs.FileMode, gid int) error {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(path, 0, gid); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		asNobody(t, func() { _, err = openI2C(path) })
		if !errors.Is(err, fs.ErrPermission) {
			t.Fatalf("mode %v, group %d: %v, want a refusal", mode, gid, err)
		}
		return err
	}
	if err := deny(0, 44); !strings.HasSuffix(err.Error(),
		"it is root's alone: the udev rule SUBSYSTEM==\"i2c-dev\", GROUP=\"i2c\", MODE=\"0660\" gives it to the group i2c") {
		t.Errorf("status would say %v; joining a group would not help", err)
	}
	if os.Geteuid() != 0 {
		return // the owner's own group cannot be refused
	}
	if err := deny(0o660, 44); !strings.Contains(err.Error(), "let this process join the group video (SupplementaryGroups=video in its unit)") {
		t.Errorf("status would say %v, want the group of the node", err)
	}
}

// The kernel reads these structures as the C compiler lays them out.
func TestStructuresAreAsTheKernelHasThem(t *testing.T) {
	pointer := unsafe.Sizeof(uintptr(0))
	if got, at := unsafe.Sizeof(i2cMessage{}), unsafe.Offsetof(i2cMessage{}.bytes); got != 8+pointer || at != 8 {
		t.Errorf("struct i2c_msg has %d bytes and its pointer at %d, want %d and 8", got, at, 8+pointer)
	}
	if got := unsafe.Sizeof(i2cTransfer{}); got != 2*pointer {
		t.Errorf("struct i2c_rdwr_ioctl_data has %d bytes, want %d", got, 2*pointer)
	}
	if got, at := unsafe.Sizeof(spiTransfer{}), unsafe.Offsetof(spiTransfer{}.width); got != 32 || at != 26 {
		t.Errorf("struct spi_ioc_transfer has %d bytes and bits_per_word at %d, want 32 and 26", got, at)
	}
}
