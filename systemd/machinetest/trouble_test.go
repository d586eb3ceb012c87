//go:build machinetest

package machinetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lwa-agent/agent"
)

const (
	agentDropIn = "/run/systemd/system/lwa-agent.service.d/test.conf"
	clockLimit  = 2 * time.Minute // by which a clock's time may be off, on a busy host
)

// unharmed does something bad to the agent: the link and the access token must
// survive it, without a call to Amazon.
func (d *device) unharmed(harm func()) {
	d.t.Helper()
	calls := d.amazon.Count()
	harm()
	d.awaitLinked()
	d.wantToken()
	if n := d.amazon.Count() - calls; n != 0 {
		d.t.Errorf("%d calls to Amazon; the token of the same boot was to be used", n)
	}
}

// change restarts nothing: it is for what systemd reads of a unit that runs.
func (d *device) change(service string) (undo func()) {
	d.t.Helper()
	d.write(agentDropIn, "[Service]\n"+service+"\n")
	d.must("systemctl", "daemon-reload")
	return func() {
		d.must("rm", agentDropIn)
		d.must("systemctl", "daemon-reload")
	}
}

func (d *device) restarts() int {
	d.t.Helper()
	n, err := strconv.Atoi(d.property("lwa-agent", "NRestarts"))
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// clockJumps sets the clock while the agent runs, both ways and by years. Its
// token must neither die of it nor live longer, and is told with the new time.
func (d *device) clockJumps() string {
	d.t.Helper()
	d.wantToken()
	before := d.restarts()
	remaining := func() time.Duration {
		var left time.Duration
		d.awaitStatus(time.Minute, "an expiry by the clock that was set", func(s agent.Status) bool {
			now, err := strconv.ParseInt(d.must("date", "+%s"), 10, 64)
			if err != nil {
				d.t.Fatal(err)
			}
			if s.State != agent.Linked || s.ExpiresAt == nil {
				return false
			}
			left = s.ExpiresAt.Sub(time.Unix(now, 0))
			return left > 0 && left < time.Hour+clockLimit
		})
		return left
	}
	real := d.must("date", "+%s")
	was := remaining()
	d.unharmed(func() {
		for _, to := range []string{"1970-01-02", "2031-01-01", "1971-06-01", "2038-01-20", "@" + real} {
			d.must("date", "--set", to)
			if left := remaining(); left > was+clockLimit || left < was-10*time.Minute {
				d.t.Errorf("set to %s, its token has %v left; it had %v", to, left, was)
			}
			d.wantToken()
		}
		d.must("date", "--set", "1970-01-02")       // before its uptime the kernel takes none
		d.must("systemctl", "restart", "lwa-agent") // which a clock of 1970 must not make it doubt
		d.awaitLinked()
		d.must("date", "--set", "@"+real)
	})
	if n := d.restarts(); n != before {
		d.t.Errorf("%d restarts by systemd while the clock jumped\n%s", n-before, d.journal("-u", "lwa-agent", "-n", "30"))
	}
	return fmt.Sprintf("to 1970, 2031, 1971, 2038 and back: the same token throughout, %v left of it before, %v after", was.Round(time.Second), remaining().Round(time.Second))
}

// crashLoop kills the agent each time it runs, more often than systemd's default
// would start it again. It must never be given up.
func (d *device) crashLoop() string {
	d.t.Helper()
	const crashes = 10
	undo := d.change("RestartSec=100ms")
	began := d.restarts()
	d.unharmed(func() {
		for n := range crashes {
			d.await(time.Minute, "the agent to run again", func() (bool, string) {
				state := d.property("lwa-agent", "ActiveState")
				if state == "failed" {
					d.t.Fatalf("after %d crashes systemd has given the agent up", n)
				}
				return state == "active" && d.restarts() >= began+n, "it is " + state
			})
			d.must("systemctl", "kill", "--signal=KILL", "lwa-agent")
		}
	})
	if n := d.restarts() - began; n < crashes {
		d.t.Errorf("it was started %d times for %d crashes", n, crashes)
	}
	undo()
	return fmt.Sprintf("%d crashes, then linked, and Amazon was not asked", crashes)
}

// hangs stops the process as a deadlock would, which nothing but the watchdog
// notices. Its 90 s are 20 s here; the link in sight is to be the same.
func (d *device) hangs() string {
	d.t.Helper()
	const limit = 20 * time.Second
	undo := d.change(fmt.Sprintf("WatchdogSec=%d", int(limit.Seconds())))
	d.must("systemctl", "restart", "lwa-agent")
	d.awaitLinked()
	d.mustAlice("lwa-agent relink </dev/null", "")
	shown := d.offer()
	restarts, calls := d.restarts(), d.amazon.Count()
	began := time.Now()
	d.must("systemctl", "kill", "--signal=STOP", "--kill-who=main", "lwa-agent")
	d.await(3*limit+time.Minute, "the watchdog to act", func() (bool, string) {
		return d.restarts() != restarts && d.property("lwa-agent", "ActiveState") == "active", "the agent still hangs"
	})
	took := time.Since(began)
	if again := d.offer(); again != shown {
		d.t.Error("another link is offered than before the hang: who has scanned the QR code already would be turned away")
	}
	d.wantToken()
	if n := d.amazon.Count() - calls; n != 0 {
		d.t.Errorf("%d calls to Amazon for a hang", n)
	}
	if said := d.journal("-u", "lwa-agent"); !strings.Contains(said, "Watchdog timeout") || !strings.Contains(said, "goroutine ") {
		d.t.Errorf("it came back, but not by the watchdog, or without having told where it hung:\n%s", said)
	}
	d.must("curl", "--silent", "--show-error", "--fail", "--unix-socket", "/run/lwa-agent/agent.sock", "-X", "DELETE", "http://lwa-agent/relink")
	undo()
	d.must("systemctl", "restart", "lwa-agent")
	d.awaitLinked()
	return fmt.Sprintf("back after %.0f s (WatchdogSec=%v for the test), linked, with the same link on offer", took.Seconds(), limit)
}

// outOfMemory has somebody in the agent's control group take all memory that the
// unit allows. The control, outside of it, may have more.
func (d *device) outOfMemory() string {
	d.t.Helper()
	if count := d.must("sh", "-c", "head -c 120M /dev/zero | tail -c 120M | wc -c"); count != strconv.Itoa(120<<20) {
		d.t.Errorf("without a limit, %s bytes of 120 MiB could be kept: what happens below is not the limit's doing", count)
	}
	most := d.property("lwa-agent", "MemoryMax")
	// Below it the kernel only slows down, which would take minutes.
	d.must("systemctl", "set-property", "--runtime", "lwa-agent", "MemoryHigh=infinity")
	restarts := d.restarts()
	d.unharmed(func() {
		// It ends by a kill.
		d.try(2*time.Minute, "sh", "-c", "echo $$ >/sys/fs/cgroup$(systemctl show --property ControlGroup --value lwa-agent)/cgroup.procs && exec tail /dev/zero")
		d.await(2*time.Minute, "systemd to start it again", func() (bool, string) {
			return d.restarts() != restarts && d.property("lwa-agent", "ActiveState") == "active", fmt.Sprintf("it is %s, with %s of %s bytes", d.property("lwa-agent", "ActiveState"), d.property("lwa-agent", "MemoryCurrent"), most)
		})
	})
	d.must("sh", "-c", "rm -r /run/systemd/system.control/lwa-agent.service.d && systemctl daemon-reload")
	if said := d.journal("-u", "lwa-agent"); !strings.Contains(said, "oom-kill") {
		d.t.Errorf("it was started again, but not for want of memory:\n%s", said)
	}
	return fmt.Sprintf("killed at MemoryMax=%s, started again, linked, and Amazon was not asked", most)
}

// appRemoved ends the link at Amazon's side, and has a program tell the agent
// that its token is refused.
func (d *device) appRemoved() string {
	d.t.Helper()
	d.amazon.RemoveApp()
	d.mustAlice("lwa-agent token | tr -d '\\n' | curl --silent --show-error --fail --unix-socket /run/lwa-agent/agent.sock --data-binary @- http://lwa-agent/refused", "")
	st := d.awaitStatus(time.Minute, "the device to be unlinked", func(s agent.Status) bool {
		return s.State == agent.Unlinked && s.AuthorizeURL != ""
	})
	if !strings.Contains(st.Reason, "removed") {
		d.t.Errorf("the reason is %q; a person has to read that the app was removed", st.Reason)
	}
	d.awaitCode("after-removal", st.AuthorizeURL)
	if out, err := d.alice("lwa-agent token", ""); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		d.t.Errorf("lwa-agent token: %v, %d bytes; want exit status 3 and no token", err, len(out))
	}
	for _, path := range []string{"/run/lwa-agent/token.sock", tokenFile} {
		if _, err := d.run("test", "-e", path); err == nil {
			d.t.Errorf("%s is still there, and programs go on with a token that Amazon refuses", path)
		}
	}
	return st.Reason
}
