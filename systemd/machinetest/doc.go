// Package machinetest boots whole machines with the package installed, under
// QEMU: a kernel of their own, a screen, an I2C bus, a clock, a power switch. It
// is a test behind a build tag, since it needs root, the tools of story_test.go and
// ten minutes:
//
//	go test -tags machinetest -v -run Screens ./systemd/machinetest
//	go test -tags machinetest -v -run Life ./systemd/machinetest
//	go test -tags machinetest -v -run Boards ./systemd/machinetest
//	go test -tags machinetest -v -run PowerCuts ./systemd/machinetest -crash-points 120
//
// A board is data: a PC, QEMU's own arm64 board, a Raspberry Pi 3B. The kernel is
// Debian's newest for the release, unpacked and never installed; it and Debian
// are kept in the user's cache directory (XDG_CACHE_HOME). The processor is
// emulated, so no KVM is needed. For another architecture, packages are unpacked
// over a configured root directory of this one, which takes seconds.
//
// Amazon is lwa/lwatest, inside the test's own process: it outlives reboots and
// power cuts. The machine reaches it, and nothing else, by its network card. What
// the test wants from the machine, it asks by a serial line, at whose other end
// runs ./inside.
//
// Screens are looked at as a person would: QEMU dumps what is on them, zbarimg
// reads the code, and text is read by the shapes that the machine's own console
// has for letters. An OLED panel is wired to a USB-I2C adapter (i2c-tiny-usb)
// that the test plays over usb-redir: for the machine's kernel and for the agent
// it is a /dev/i2c-N like any other, and it can be unplugged. With -artifacts,
// all pictures are kept.
//
// For power cuts, a machine does nothing but save by the agent's own store, on a
// disk whose orders QEMU writes down (blklogwrites). From these the test makes
// the disks that would have been left at any moment, and has the store read them.
//
// What this cannot show: writes torn in the middle of a request, a card whose own
// tables suffer, the timing of real hardware, HDMI hot-plug, pins, a Raspberry
// Pi's own kernel and firmware.
package machinetest
