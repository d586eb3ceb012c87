package display

import "time"

// SetWriteTimeout shortens the wait for a terminal that takes nothing.
func SetWriteTimeout(t *Terminal, d time.Duration) { t.timeout = d }
