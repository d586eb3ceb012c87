package agent

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lwa-agent/lwa/lwatest"
)

// systemd starts an agent again 5 s after a crash, for ever.
func TestCrashLoopIsNoHammering(t *testing.T) {
	const pace = 5 * time.Second
	calls, now := 0, bootUp
	var begun []time.Duration
	for crashes := 0; now < bootUp+6*hour; crashes++ {
		w := &world{t: t, now: now, replies: map[uint64]reply{}}
		w.m = newMachine(testSettings(MethodCode), record{Link: testLink()}, access{}, now, time.Unix(0, 0), unlinkedWorld(t).m.rng)
		w.m.afterCrashes(crashes)
		w.do(ticked{})
		for w.m.inCall.id == 0 {
			w.ask(0)               // a program wants a token all the time
			w.do(networkChanged{}) // and the network flaps
			w.pass(time.Second)
		}
		calls++
		begun = append(begun, w.now-bootUp)
		now = w.now + pace // the answer ends it
	}
	if begun[3] > 30*time.Second {
		t.Errorf("the fourth try came after %v: a few kills are no crash loop", begun[3])
	}
	if calls > 6*12+20 { // a random part of ten minutes is five of them
		t.Errorf("%d calls in six hours of crashes, of a network that flaps and programs that ask; want one in five minutes", calls)
	}
	t.Logf("%d calls in six hours; without the count it would be %d", calls, 6*hour/pace)
}

func TestCrashesAreCountedUntilSomethingCameOfAStart(t *testing.T) {
	s := serveAgent(t, nil)
	s.link()
	s.stop()
	must(t, os.Remove(s.path(accessName)))
	counted := func() bool {
		_, err := os.Stat(s.path(crashesName))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	if counted() {
		t.Error("a good end counts as a crash")
	}
	for n := range 10 {
		a, err := newAgent(s.cfg)
		must(t, err)
		if waits := a.m.refresh.waiting; waits != (n > 4) {
			t.Errorf("after %d crashes the first call is put off: %v", n, waits)
		}
		must(t, a.close()) // all that a kill leaves to be done
	}
	rebooted := s.cfg
	rebooted.BootID = "boot-2"
	a, err := newAgent(rebooted)
	must(t, err)
	if a.m.refresh.waiting {
		t.Error("crashes of another boot count")
	}
	must(t, a.close())
	s.start()
	s.await("a token", func(st Status) bool { return st.ExpiresAt != nil })
	if counted() {
		t.Error("an answer of Amazon's was digested and the start still counts as a crash")
	}
}

func TestStartThatLivesTenMinutesIsNoCrash(t *testing.T) {
	var ahead time.Duration
	dir, err := os.MkdirTemp("", "lwa-agent")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	cfg := newHouse(t, lwatest.Options{}, lwatest.MobileClientID, MethodCode).cfg
	cfg.StateDir, cfg.RuntimeDir = filepath.Join(dir, "state"), filepath.Join(dir, "run")
	cfg.Uptime = func() time.Duration { return bootUp + ahead }
	cfg.Log = slog.New(slog.DiscardHandler)
	a, err := newAgent(cfg)
	must(t, err)
	defer func() { must(t, a.close()) }()
	must(t, a.tick())
	if _, err := os.Stat(filepath.Join(cfg.RuntimeDir, crashesName)); err != nil {
		t.Errorf("a start that has come to nothing yet is not counted: %v", err)
	}
	ahead = steadyAfter + time.Second
	must(t, a.tick())
	if _, err := os.Stat(filepath.Join(cfg.RuntimeDir, crashesName)); !os.IsNotExist(err) {
		t.Errorf("it has lived for ten minutes and counts as a crash (%v)", err)
	}
}

// A file system that hangs holds the inbox up and nothing else; without this the
// codes that people drop would be waited for by nobody until the next reboot.
func TestWatchdogStarvesWhileTheInboxHangs(t *testing.T) {
	s := serveAgent(t, nil)
	s.stop()
	fed := 0
	cfg := s.cfg
	cfg.Alive = func() { fed++ }
	a, err := newAgent(cfg)
	must(t, err)
	defer func() { must(t, a.close()) }()
	in := newInbox([]string{t.TempDir() + "/"}, kernel{}, slog.New(slog.DiscardHandler))
	a.inbox = in
	for range 5 {
		must(t, a.tick())
	}
	if fed != 1 {
		t.Errorf("the watchdog was fed %d times with an inbox that does nothing, want once, at the start", fed)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { in.run(ctx); close(ended) }()
	for begin := time.Now(); fed < 4; {
		must(t, a.tick())
		<-in.reports()
		if time.Since(begin) > patience {
			t.Fatalf("fed %d times although the inbox works", fed)
		}
	}
	stop()
	<-ended
	fed = 0
	for range 5 {
		must(t, a.tick())
	}
	if fed > 1 {
		t.Errorf("the watchdog was fed %d times with an inbox that has ended", fed)
	}
}
