// Package boottest boots a Debian machine with the package installed and plays
// the life of a device on it: the first start without network, the code that a
// person drops, the programs that want tokens, a crash, a hang, an upgrade, a
// reboot. It is a test behind a build tag, since it needs root, ten tools and
// half a minute:
//
//	go test -tags boottest -v ./systemd/boottest
//
// The machine is a systemd-nspawn container, so PID 1, the units, their sandbox
// and the reboot are real, and the kernel is the host's. Amazon is
// lwa/lwatest, inside the test's own process: it outlives the reboots of the
// machine, which reaches it by a socket in its root directory, as long as the
// machine's "network" is up.
//
// What a container cannot show: limits of memory and of tasks (on a host with
// version 1 control groups), a screen, a wrong clock, a power cut.
package boottest
