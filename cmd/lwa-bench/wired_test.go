package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
	"lwa-agent/display/panel"
	"lwa-agent/lwa/lwatest/harness"
)

// drawCommand as the first argument makes the test draw on the panel whose driver
// and device follow, as a process that knows nothing of a simulation.
const drawCommand = "draw"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == wiredCommand {
		os.Stderr.WriteString(becomeWired(os.Args[2:]).Error() + "\n")
		os.Exit(1)
	}
	if len(os.Args) > 2 && os.Args[1] == drawCommand {
		if err := drawOn(panel.Config{Driver: os.Args[2], Device: os.Args[3], DCPin: arg(4), ResetPin: arg(5), BusyPin: arg(6)}); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func arg(i int) string {
	if i < len(os.Args) {
		return os.Args[i]
	}
	return ""
}

const drawn = "HTTP://192.168.1.20:9744/L"

func drawOn(c panel.Config) error {
	driver, err := panel.Find(c.Driver)
	if err != nil {
		return err
	}
	d, err := driver.Open(c)
	if err != nil {
		return err
	}
	_, err = d.Draw(display.Screen{Kind: display.Offer, Payloads: []display.Payload{{Name: "link", Text: drawn}}})
	return err // left as it is, so that it can be looked at
}

// TestDriversDrawOnSimulatedPanels has a process of its own draw through the
// kernel's interfaces: what the figures for panels stand on.
func TestDriversDrawOnSimulatedPanels(t *testing.T) {
	for _, c := range []struct {
		driver string
		args   func(*wires) []string
		seen   func(*wires) (string, error)
	}{
		{"ssd1306", func(w *wires) []string { return []string{w.i2c} }, func(w *wires) (string, error) {
			return readCode(displaytest.Photo(w.oled.Picture()))
		}},
		{"framebuffer", func(w *wires) []string { return []string{w.framebuffer} }, (*wires).decodeFramebuffer},
		{"waveshare2in13v4", func(w *wires) []string {
			return []string{w.spi, w.gpio + ":0", w.gpio + ":1", w.gpio + ":2"}
		}, func(w *wires) (string, error) { return readCode(displaytest.PaperPhoto(w.paper.Glass())) }},
	} {
		t.Run(c.driver, func(t *testing.T) {
			t.Parallel() // drivers wait for panels
			d := &device{memory: t.TempDir()}
			w, err := newWires(d.memory, displaytest.SSD1680Z, 640, 480, 16)
			if err != nil {
				t.Fatal(err)
			}
			draws := exec.CommandContext(t.Context(), os.Args[0], append([]string{drawCommand, c.driver}, c.args(w)...)...)
			draws.Env = append(os.Environ(), harness.NoRaceSleep)
			p, err := d.launchWired(t.Context(), draws, w)
			if err != nil && strings.Contains(err.Error(), "Linux 5.19") && os.Getenv("CI") != "true" {
				t.Skipf("this kernel lets nobody answer for it: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			<-p.ended
			if !p.ProcessState.Success() {
				t.Fatal(d.explain(&exec.ExitError{ProcessState: p.ProcessState}))
			}
			if got, err := c.seen(w); err != nil || got != drawn {
				t.Errorf("the panel shows %q (%v), want %q: figures for it would be of something else", got, err, drawn)
			}
			if err := w.objections(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The kernel compares sizes for some of them, and writes past the end of others.
func TestStructuresAreAsLongAsTheKernels(t *testing.T) {
	pointer := unsafe.Sizeof(uintptr(0))
	for name, c := range map[string]struct{ got, want uintptr }{
		"seccomp_notif":       {unsafe.Sizeof(seccompNotif{}), unix.SECCOMP_IOCTL_NOTIF_RECV >> 16 & 0x3fff},
		"seccomp_notif_resp":  {unsafe.Sizeof(seccompAnswer{}), unix.SECCOMP_IOCTL_NOTIF_SEND >> 16 & 0x3fff},
		"seccomp_notif_addfd": {unsafe.Sizeof(seccompAddFD{}), unix.SECCOMP_IOCTL_NOTIF_ADDFD >> 16 & 0x3fff},
		"i2c_msg":             {unsafe.Sizeof(i2cMessage{}), 8 + pointer},
		"spi_ioc_transfer":    {unsafe.Sizeof(spiTransfer{}), 32},
	} {
		if c.got != c.want {
			t.Errorf("struct %s has %d bytes, and the kernel's has %d", name, c.got, c.want)
		}
	}
}
