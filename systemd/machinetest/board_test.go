//go:build machinetest

package machinetest

// A board is a kind of computer, as data: what differs between a PC and a
// Raspberry Pi, for QEMU and for Debian.
type board struct {
	name   string
	debian string // Debian's name for its architecture
	goarch string
	kernel string // Debian's package that depends on the newest kernel

	qemu     []string // program and hardware, but for disk, screen and the lines to the test
	disk     string   // what follows -drive file=…,format=raw,
	root     string   // the disk, as the kernel calls it
	consoles string   // where the kernel talks to; the first serial line is kept as its log
	control  string   // the second serial line, as the machine calls it

	early   []string // modules that it needs to find its disk, and their arguments none
	modules []string // what udev and modprobe may find on the disk besides
}

// pc is what QEMU calls q35: PCI, a VGA card that the driver bochs knows, xHCI.
var pc = board{
	name: "x86", debian: "amd64", goarch: "amd64", kernel: "linux-image-amd64",
	qemu: []string{
		"qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max", "-m", "512",
		"-device", "qemu-xhci", "-device", "virtio-rng-pci", "-device", "virtio-net-pci,netdev=net",
	},
	disk: "if=virtio,cache=writeback", root: "/dev/vda",
	consoles: "console=ttyS0 console=tty0", control: "/dev/ttyS1",
	early: []string{"virtio_pci", "virtio_blk", "ext4"},
	modules: []string{
		"bochs", "atkbd", "virtio_net", "virtio_rng", "rtc-cmos",
		"xhci_pci", "i2c-dev", "i2c-tiny-usb", "i2c-i801",
	},
}
