package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

// moveClock sets the wall clock of this machine, by so little that nobody will
// mind, and leaves the kernel's note of who keeps it right as it was.
func moveClock(t *testing.T, by int64) {
	t.Helper()
	const (
		setOffset = 0x0100 // ADJ_SETOFFSET of adjtimex(2)
		setStatus = 0x0010 // ADJ_STATUS
	)
	var before unix.Timex
	_, err := unix.Adjtimex(&before)
	must(t, err)
	step := unix.Timex{Modes: setOffset}
	if by < 0 { // microseconds count up from whole seconds
		step.Time.Sec--
		by += 1_000_000
	}
	if before.Status&unix.STA_NANO != 0 {
		by *= 1000
	}
	setMicros(&step, by)
	if _, err := unix.Adjtimex(&step); errors.Is(err, unix.EPERM) {
		harness.Missing(t, "the clock may not be set here; run the tests as root")
	} else {
		must(t, err)
	}
	_, err = unix.Adjtimex(&unix.Timex{Modes: setStatus, Status: before.Status})
	must(t, err)
}

// /proc/uptime is the kernel's own reading of CLOCK_BOOTTIME (proc(5)).
func TestUptimeCountsFromTheBoot(t *testing.T) {
	text, err := os.ReadFile("/proc/uptime")
	must(t, err)
	var seconds float64
	_, err = fmt.Sscan(string(text), &seconds)
	must(t, err)
	if d := (Uptime() - time.Duration(seconds*float64(time.Second))).Abs(); d > 2*time.Second {
		t.Errorf("up for %v, and /proc/uptime says %v s: deadlines would move with the wall clock, or stand still in suspend", Uptime(), seconds)
	}
}

func TestClockThatIsSetIsNoticed(t *testing.T) {
	set, err := WatchClock(t.Context())
	must(t, err)
	select {
	case <-set:
		t.Fatal("news of a clock that nobody has set: an agent would hammer")
	default:
	}
	for _, by := range []int64{1, -1} { // and again: one notice must not be the last
		moveClock(t, by)
		select {
		case <-set:
		case <-time.After(patience):
			t.Errorf("the clock was set by %d µs and nobody noticed: a certificate that is valid now is waited for", by)
		}
	}
}

// A device without a battery for its clock: what it believes to be the year is
// long past, so no certificate is valid yet.
func TestSettingTheClockEndsTheWaitForACertificate(t *testing.T) {
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		set := make(chan struct{})
		h.cfg.ClockSet = set
		h.restart()
		h.link()
		h.sim.Fail(lwatest.CertificateNotYetValid(), -1, lwatest.Refresh)
		h.pass(6 * time.Hour)
		h.wantState(Linked, "hours with a wrong clock end no link")
		h.wantError("clock", "no certificate is valid yet")
		h.sim.Recover()
		set <- struct{}{}
		h.until("a token", hopeSpread+time.Second, func() bool { return h.status().ExpiresAt != nil })
		if p := h.status().LastError; p != nil {
			t.Errorf("mended, and still: %+v", p)
		}
	})
}

func TestWrongCertificateIsBlamedOnTheClockOnlyWhereThatIsNotKept(t *testing.T) {
	err := &lwa.Error{Kind: lwa.Passing, Code: "clock", Message: "amazon.test has a certificate that is not valid at this device's time", Unsent: true}
	for _, kept := range []bool{false, true} {
		w := linkedWorld(t)
		w.do(ticked{synchronized: kept})
		w.pass(46 * time.Minute)
		w.do(ticked{synchronized: kept})
		w.answer(answered{err: err})
		w.wantProblem("clock", "a certificate that is not valid")
		p := w.m.lastError()
		if blamed := strings.Contains(p.Message, "the clock is not set"); blamed == kept {
			t.Errorf("clock kept: %v: %q", kept, p.Message)
		}
		if p.Hint == "" || strings.Contains(p.Hint, "timedatectl") == kept {
			t.Errorf("clock kept: %v: hint %q", kept, p.Hint)
		}
		if w.m.refresh.refusals != 0 {
			t.Error("it counts as a refusal of Amazon's, whom we have not reached")
		}
	}
}

// The clock of a restarted agent may be years away from that of the one before;
// what counts is the time since boot.
func TestRestartWithAnotherClockUsesTheTokenOfThisBoot(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	token := s.do("GET", "/token", "").str("access_token")
	s.stop()
	path := filepath.Join(s.cfg.RuntimeDir, accessName)
	must(t, os.Chtimes(path, time.Unix(0, 0), time.Unix(0, 0))) // written in 1970, by the clock of then
	calls := s.sim.Count()
	s.start()
	if a := s.want(s.do("GET", "/token", ""), 200, "after a restart"); a.str("access_token") != token || s.sim.Count() != calls {
		t.Errorf("another token after %d calls; want the one of this boot and none", s.sim.Count()-calls)
	}
}

// 49.7 days are 2^32 ms, 24.8 days 2^31; in 2038 a 32-bit clock begins anew.
func TestLongUptimesAndLateYearsAreNothingSpecial(t *testing.T) {
	for _, start := range []time.Duration{0, 24*24*hour + 19*hour, 49*24*hour + 17*hour, 400 * 24 * hour, 40 * 365 * 24 * hour} {
		for _, year := range []int{1970, 2000, 2026, 2038, 2106} {
			w := newWorld(t, testSettings(MethodCode), record{Link: testLink()}, start)
			epoch := time.Date(year, 1, 19, 3, 14, 0, 0, time.UTC).Add(-start)
			for n := 0; n < 20; w.pass(time.Minute) {
				if w.m.inCall.kind == callRefresh && w.m.inCall.id != 0 {
					w.answer(answered{token: token("Atza|next", hour)})
					n++
				}
				if w.now-start > 24*hour {
					t.Fatalf("up %v in %d: %d refreshes in a day, want 20 and more", start, year, n)
				}
			}
			w.do(clockSet{epoch: epoch})
			s := w.m.status()
			if s.ExpiresAt == nil || s.ExpiresAt.Year() != year || s.ExpiresAt.Sub(epoch.Add(w.now)) > hour {
				t.Errorf("up %v in %d: the token ends at %v", start, year, s.ExpiresAt)
			}
		}
	}
}

// Years forward, years back, and the hours of a suspend: only the last make a
// token older.
func TestStepsOfTheClockMoveNoDeadline(t *testing.T) {
	for _, step := range []time.Duration{-56 * 365 * 24 * hour, -5 * 365 * 24 * hour, -hour, time.Second, hour, 10 * 365 * 24 * hour} {
		w := linkedWorld(t)
		due, expires, wakes := w.m.refresh.due, w.m.access.Expires, w.m.deadline()
		w.do(clockSet{epoch: w.m.epoch.Add(step)})
		if w.m.refresh.due != due || w.m.access.Expires != expires || w.m.deadline() != wakes {
			t.Errorf("a step of %v moved a deadline", step)
		}
		w.wantReply(w.ask(time.Minute), done, "the token is as good as before")
		if d := w.m.status().ExpiresAt.Sub(w.m.wall(expires)).Abs(); d > time.Second {
			t.Errorf("a step of %v: people read an end that is %v off", step, d)
		}
	}
	w := linkedWorld(t)
	w.now += 8 * hour // suspended: timers stood still, and fire when they would have
	w.do(ticked{})
	if w.m.access.left(w.now) != 0 || w.m.inCall.kind != callRefresh {
		t.Error("eight hours of suspend are not seen: an expired token would go out")
	}
	if wake := linkedWorld(t).m.deadline() - bootUp; wake > 30*time.Second {
		t.Errorf("the loop sleeps for %v; a timer that began before a suspend ends that much after it", wake)
	}
}
