package agent

import (
	"time"

	"golang.org/x/sys/unix"
)

// Uptime returns the time since boot, suspend included (CLOCK_BOOTTIME of
// clock_gettime(2)). No setting of the wall clock moves it.
func Uptime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) // every kernel since 2.6.39 has it
	return time.Duration(t.Nano())
}
