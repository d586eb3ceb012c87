package doctor

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// clock is what is known of the wall clock.
type clock struct {
	now, built   time.Time
	synchronized bool
	asked        bool          // the kernel could be asked
	skew         time.Duration // Amazon's clock less ours
	compared     bool
	keeper       string // what synchronises it; empty: nothing that is known
}

const (
	skewOfNoMatter = 30 * time.Second // what one sees on a display as another minute
	skewOfCerts    = 24 * time.Hour   // certificates are changed about so long before they end
)

// checkClock waits for Amazon's answer, whose Date is a clock to compare with.
func checkClock(_ context.Context, f *facts) []Finding {
	var t unix.Timex
	state, err := unix.Adjtimex(&t) // who only asks needs no privilege (adjtimex(2))
	c := clock{now: time.Now(), built: f.Built, synchronized: state != unix.TIME_ERROR, asked: err == nil, keeper: timeKeeper()}
	if answer := f.call(); !answer.date.IsZero() {
		// Date has whole seconds, and the answer was on its way.
		c.skew, c.compared = answer.date.Add(500*time.Millisecond).Sub(answer.came), true
	}
	return one(c.finding())
}

func (c clock) finding() Finding {
	cure := "sudo timedatectl set-ntp true; a device without a clock battery needs it at each boot"
	if c.keeper != "" {
		cure = "see whether it reaches a time server: systemctl status " + c.keeper
	}
	says := c.now.UTC().Format("2006-01-02 15:04") + " UTC"
	switch {
	case !c.built.IsZero() && c.now.Before(c.built.Add(-24*time.Hour)):
		return fault(cure, "the clock says %s, which is before this program was made: certificates are refused", says)
	case c.compared && c.skew.Abs() > skewOfCerts:
		return fault(cure, "the clock says %s, %s: certificates may be refused", says, skewWords(c.skew))
	case c.compared && c.skew.Abs() > skewOfNoMatter:
		return warn(cure, "the clock says %s, %s; tokens are good all the same", says, skewWords(c.skew))
	case !c.asked:
		return unseen("see: timedatectl; for a container, on the machine that it runs on", "the kernel does not say whether the clock is synchronized")
	case !c.synchronized && c.compared:
		return warn(cure, "nothing keeps the clock right, though it agrees with Amazon's")
	case !c.synchronized:
		return warn(cure, "the clock says %s, and nothing keeps it right", says)
	case c.compared:
		return ok("synchronized, and agrees with Amazon's")
	}
	return ok("synchronized")
}

func skewWords(skew time.Duration) string {
	word := "behind"
	if skew < 0 {
		word = "ahead of"
	}
	switch d := skew.Abs(); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s %s Amazon's", d/time.Second, word)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d min %s Amazon's", d/time.Minute, word)
	default:
		return fmt.Sprintf("%d days %s Amazon's", d/(24*time.Hour), word)
	}
}

// timeKeeper is the service that should keep the clock right, by what it leaves
// in /run.
func timeKeeper() string {
	for _, k := range [][2]string{{"/run/systemd/timesync", "systemd-timesyncd"}, {"/run/chrony", "chrony"}, {"/run/ntpd.pid", "ntpsec"}} {
		if _, err := os.Stat(k[0]); err == nil {
			return k[1]
		}
	}
	return ""
}
