package agent

import "time"

// wall is an uptime as people read it.
func (m *machine) wall(uptime time.Duration) time.Time {
	return m.epoch.Add(uptime).UTC().Truncate(time.Millisecond)
}

// setEpoch follows the wall clock when it is set, and not its small change: a
// time in the status that moves is news to everybody who watches.
func (m *machine) setEpoch(epoch time.Time) {
	if d := epoch.Sub(m.epoch).Abs(); d > time.Second {
		m.epoch = epoch
	}
}

// setAmazonEpoch follows Amazon's clock. A Date header has whole seconds, and an
// answer is on its way for some.
func (m *machine) setAmazonEpoch(epoch time.Time) {
	if d := epoch.Sub(m.amazonEpoch).Abs(); d >= 2*time.Second {
		m.amazonEpoch = epoch
	}
}

// clock tells how far the wall clock is off, at each moment: by uptimes, so that
// one that was set is right at once.
func (m *machine) clock() Clock {
	c := Clock{Synchronized: m.synchronized}
	if !m.amazonEpoch.IsZero() {
		c.SkewSeconds = int64(m.amazonEpoch.Sub(m.epoch) / time.Second)
	}
	return c
}
