//go:build machinetest

package machinetest

import (
	"os"
	"path/filepath"
	"testing"

	"lwa-agent/systemd/debiantest"
)

// A board is a kind of computer, as data: what differs between a PC and a
// Raspberry Pi, for QEMU and for Debian.
type board struct {
	name   string
	debian string // Debian's name for its architecture
	goarch string
	kernel string // Debian's package that depends on the newest kernel
	dtb    string // its device tree, in the directory of the kernel's package; none if QEMU makes it

	qemu    []string // program and hardware, but for disk, screen and the lines to the test
	screen  []string // the usual one
	disk    string   // what follows -drive file=…,format=raw,
	root    string   // the disk, as the kernel calls it
	network string   // its network card, as the kernel calls it
	cmdline string   // where the kernel talks to. The first serial line is kept as its log
	line    []string // the hardware of the test's own line, whose other end is the chardev control
	control string   // that line, as the machine calls it

	early   []string // modules that it needs to find its disk
	modules []string // what else udev and modprobe may find
}

// pc is what QEMU calls q35: PCI, a VGA card that the driver bochs knows, xHCI.
func pc() board {
	return board{
		name: "PC", debian: "amd64", goarch: "amd64", kernel: "linux-image-amd64",
		qemu: []string{
			"qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max", "-m", "512",
			"-device", "qemu-xhci", "-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net",
		},
		screen: []string{"-device", "VGA,xres=1280,yres=800"},
		disk:   "if=virtio,cache=writeback", root: "/dev/vda", network: "eth0",
		// no_timer_check: on a busy host the kernel takes an emulated timer for a
		// broken one, and panics.
		cmdline: "console=ttyS0 console=tty0 no_timer_check",
		line:    []string{"-serial", "chardev:control"}, control: "/dev/ttyS1",
		early: []string{"virtio_pci", "virtio_blk", "ext4"},
		modules: []string{
			"bochs", "atkbd", "virtio_net", "virtio_rng", "rtc-cmos",
			"xhci_pci", "i2c-dev", "i2c-tiny-usb", "i2c-i801",
		},
	}
}

// arm64 is QEMU's board without a model, with the processor of a Raspberry Pi 4.
func arm64() board {
	return board{
		name: "arm64", debian: "arm64", goarch: "arm64", kernel: "linux-image-arm64",
		qemu: []string{
			"qemu-system-aarch64", "-M", "virt", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "cortex-a72", "-m", "512",
			"-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net",
		},
		screen: []string{"-device", "virtio-gpu-pci"},
		disk:   "if=virtio,cache=writeback", root: "/dev/vda", network: "eth0",
		cmdline: "console=ttyAMA0 console=tty0",
		line:    []string{"-device", "pci-serial,chardev=control"}, control: "/dev/ttyS0",
		early:   []string{"virtio_pci", "virtio_blk", "ext4"},
		modules: []string{"virtio_gpu", "virtio_net", "virtio_rng", "i2c-dev"},
	}
}

// raspberryPi is a model 3B: an SD card, a framebuffer of the firmware's, USB for
// the network, and no clock that runs without power.
func raspberryPi() board {
	return board{
		name: "Raspberry Pi 3B", debian: "arm64", goarch: "arm64", kernel: "linux-image-arm64",
		dtb: "broadcom/bcm2837-rpi-3-b.dtb",
		qemu: []string{
			"qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=multi",
			"-device", "usb-net,netdev=net",
		},
		disk: "if=sd", root: "/dev/mmcblk0", network: "usb0",
		cmdline: "console=ttyAMA0,115200 console=tty0 cma=64M",
		line:    []string{"-serial", "chardev:control"}, control: "/dev/ttyS1",
		early: []string{"bcm2835", "sdhci-iproc", "mmc_block", "ext4"},
		modules: []string{
			"bcm2835_wdt", "dwc2", "cdc_ether", "rndis_host", "i2c-bcm2835", "i2c-dev", "bcm2835-rng",
		},
	}
}

// busybox is a static one for an architecture.
func busybox(t *testing.T, arch string) string {
	t.Helper()
	dir := debiantest.Once(t, "busybox-"+arch, func(dir string) {
		debiantest.Run(t, "dpkg-deb", "--extract", aptFor(t, arch).download("busybox-static")[0], dir)
	})
	return filepath.Join(dir, "bin/busybox")
}

// deviceTree is the kernel's for a board, with the framebuffer that a Raspberry
// Pi's firmware adds: at the address that QEMU shows from the start, in its mode
// (simple-framebuffer.yaml of the kernel's device tree bindings).
func deviceTree(t *testing.T, b board, k kernel, path string) {
	t.Helper()
	from := filepath.Join(k.dir, "usr/lib/linux-image-"+k.release, b.dtb)
	if err := os.WriteFile(path, read(t, from), 0o644); err != nil {
		t.Fatal(err)
	}
	const node = "/chosen/framebuffer@3c100000"
	debiantest.Run(t, "fdtput", "--create", path, node)
	for _, property := range [][]string{
		{"-t", "x", path, "/chosen", "#address-cells", "1"},
		{"-t", "x", path, "/chosen", "#size-cells", "1"},
		{"-t", "x", path, "/chosen", "ranges"},
		{"-t", "s", path, node, "compatible", "simple-framebuffer"},
		{"-t", "x", path, node, "reg", "3c100000", "96000"},
		{"-t", "i", path, node, "width", "640"},
		{"-t", "i", path, node, "height", "480"},
		{"-t", "i", path, node, "stride", "1280"},
		{"-t", "s", path, node, "format", "r5g6b5"},
		{"-t", "s", path, node, "status", "okay"},
	} {
		debiantest.Run(t, "fdtput", property...)
	}
}
