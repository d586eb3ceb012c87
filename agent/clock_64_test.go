//go:build !arm && !386

package agent

import "golang.org/x/sys/unix"

func setMicros(t *unix.Timex, us int64) { t.Time.Usec = us }
