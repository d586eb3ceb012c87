// Package machinetest boots whole machines with the package installed, under
// QEMU: a kernel of their own, a screen, an I2C bus, a clock, a power switch. It
// is a test behind a build tag, since it needs root, the tools of story_test.go and
// three minutes:
//
//	go test -tags machinetest -v ./systemd/machinetest
//
// The kernel is Debian's newest for the release, unpacked and never installed;
// both are kept in the user's cache directory (XDG_CACHE_HOME). The processor is
// QEMU's emulation, so no KVM is needed. Amazon is lwa/lwatest, inside the
// test's own process: it outlives reboots and power cuts. The machine reaches it,
// and nothing else, through its network card.
//
// Screens are looked at as a person would: QEMU dumps what is on them, zbarimg
// reads the code, and text is read with the shapes that the machine's own
// console has for letters. An OLED panel is wired to a USB-I2C adapter
// (i2c-tiny-usb) that the test plays over usb-redir: for the machine's kernel
// and for the agent it is a /dev/i2c-N like any other, and it can be unplugged.
//
// What this cannot show: the timing of real hardware, HDMI hot-plug, pins.
package machinetest
