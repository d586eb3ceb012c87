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

// bootTime returns what the wall clock says of uptime 0. It has no monotonic
// part, or a wall clock that was set would not be noticed.
func bootTime(uptime time.Duration) time.Time { return time.Now().Round(0).Add(-uptime) }

// clockSynchronized asks the kernel whether something keeps the wall clock
// right (adjtimex(2), TIME_ERROR).
func clockSynchronized() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR
}
