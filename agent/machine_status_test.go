package agent

import (
	"testing"
	"time"
)

func TestProblemsOfTheOldConfigurationGoWithIt(t *testing.T) {
	w := newWorld(t, testSettings(MethodCBL), record{}, bootUp)
	w.answer(answered{err: errConfig})
	w.do(configured{testSettings(MethodCode)})
	w.wantProblem("", "the method that Amazon refused is not in use any more")

	w = newWorld(t, testSettings(MethodCode), record{Link: testLink()}, bootUp)
	w.answer(answered{err: errConfig})
	other := testSettings(MethodCode)
	other.client.ID = "amzn1.application-oa2-client.other"
	w.do(configured{other})
	w.wantProblem("", "the client id that Amazon refused is not in use any more")
}

// answerAt has Amazon answer whose clock is off from ours.
func (w *world) answerAt(off time.Duration) {
	w.t.Helper()
	w.answer(answered{err: errPending, date: w.m.wall(w.now).Add(off)})
}

// A clock that was an hour behind and is set is not behind any more, although the
// next answer may be an hour away.
func TestSkewFollowsAClockThatIsSet(t *testing.T) {
	w := pairWorld(t)
	w.do(clockSet{epoch: w.m.epoch.Add(10 * time.Minute)})
	if got := w.m.status().Clock.SkewSeconds; got != 0 {
		t.Errorf("skew of %d s before any answer of Amazon's", got)
	}
	w.pass(30 * time.Second)
	w.answerAt(time.Hour)
	for _, step := range []struct{ by, left time.Duration }{{time.Hour, 0}, {-24 * time.Hour, 24 * time.Hour}, {24 * time.Hour, 0}} {
		w.do(clockSet{epoch: w.m.epoch.Add(step.by)})
		if got := time.Duration(w.m.status().Clock.SkewSeconds) * time.Second; got != step.left {
			t.Errorf("set by %v, the clock is %v off; want %v", step.by, got, step.left)
		}
	}
}

func TestSecondOfSkewIsNoNews(t *testing.T) {
	w := pairWorld(t)
	for i := range 10 {
		for w.m.inCall.id == 0 {
			w.pass(time.Second)
		}
		w.answerAt(-time.Duration(i%2) * time.Second)
		if got := w.m.status().Clock.SkewSeconds; got != 0 {
			t.Fatalf("skew of %d s: each poll would be a line for everybody who watches", got)
		}
	}
	w.pass(30 * time.Second)
	w.answerAt(-time.Hour)
	if got := w.m.status().Clock.SkewSeconds; got != -3600 {
		t.Errorf("skew of %d s, want -3600", got)
	}
}

func TestNextRefreshStandsStillWhileItIsUnderWay(t *testing.T) {
	w := linkedWorld(t)
	w.pass(46 * time.Minute)
	before := *w.m.status().NextRefresh
	w.pass(3 * time.Second)
	w.do(networkChanged{})
	if after := *w.m.status().NextRefresh; !after.Equal(before) {
		t.Errorf("next_refresh went from %v to %v in one refresh: each question of a program would be news", before, after)
	}
}
