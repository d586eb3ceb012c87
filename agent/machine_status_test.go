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

func TestSecondOfSkewIsNoNews(t *testing.T) {
	w := pairWorld(t)
	for i := range 10 {
		for w.m.inCall.id == 0 {
			w.pass(time.Second)
		}
		w.answer(answered{err: errPending, dated: true, skew: -int64(i % 2)})
		if got := w.m.status().Clock.SkewSeconds; got != 0 {
			t.Fatalf("skew of %d s: each poll would be a line for everybody who watches", got)
		}
	}
	w.pass(30 * time.Second)
	w.answer(answered{err: errPending, dated: true, skew: -3600})
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
