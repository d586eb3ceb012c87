package agent

import (
	"context"
	"errors"
	"math"
	"os"
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

// WatchClock returns a channel that tells when the wall clock was set, until ctx
// is done (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). It tells of steps, not of
// a clock that is made to run faster. Setting it needs no watching to be right:
// no deadline depends on it; but a certificate that was "not yet valid" may be
// valid now, and times that people read are other ones.
func WatchClock(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	// A time that never comes: of interest is only that it moves.
	alarm := unix.ItimerSpec{Value: unix.NsecToTimespec(math.MaxInt32 * int64(time.Second))}
	if err := unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &alarm, nil); err != nil {
		return nil, errors.Join(os.NewSyscallError("timerfd_settime", err), unix.Close(fd))
	}
	return tellNews(ctx, os.NewFile(uintptr(fd), "clock"), unix.ECANCELED, func([]byte) bool { return true }), nil
}
