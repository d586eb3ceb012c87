package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
)

// longOutage is linked and has long been without network, so that the next try
// is minutes away.
func longOutage(t *testing.T) *world {
	t.Helper()
	w := linkedWorld(t)
	for end := w.now + 5*hour; w.now < end || w.m.inCall.id != 0 || w.m.refresh.due < w.now+2*time.Minute; {
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errUnsent})
		}
		w.pass(time.Second)
	}
	return w
}

// tries lets calls fail for a while and returns when they began.
func (w *world) tries(during time.Duration, news func()) (at []time.Duration) {
	w.t.Helper()
	for end := w.now + during; w.now < end; w.pass(time.Second) {
		if w.m.inCall.id != 0 {
			at = append(at, w.now)
			w.answer(answered{err: errUnsent})
		}
		news()
	}
	return at
}

func TestNewsOfTheNetworkOrTheClockEndsAWaitWithinTenSeconds(t *testing.T) {
	t.Parallel()
	for name, news := range map[string]event{
		"network": networkChanged{}, "clock": clockSet{}, "a clock that is right now": ticked{synchronized: true},
	} {
		w := longOutage(t)
		w.do(news)
		if wait := w.m.refresh.due - w.now; wait > hopeSpread {
			t.Errorf("%s: the next try is in %v, want at most %v", name, wait, hopeSpread)
		}
	}
}

func TestNetworkThatComesAndGoesAllTheTimeIsNoHammering(t *testing.T) {
	w := longOutage(t)
	at := w.tries(hour, func() { w.do(networkChanged{}) })
	if len(at) > 61*2 { // one for each minute, and at first the short waits of a backoff that begins anew
		t.Errorf("%d tries in an hour of news each second, want about one a minute", len(at))
	}
}

// An address of IPv6 often comes seconds before the one of IPv4 that works.
func TestNewsWithinTheMinuteIsNotForgotten(t *testing.T) {
	w := longOutage(t)
	w.do(networkChanged{})
	w.pass(hopeSpread)
	w.answer(answered{err: errUnsent})
	w.m.refresh.due = w.now + backoffCap
	w.do(networkChanged{})
	if w.m.refresh.due != w.now+backoffCap {
		t.Error("news within the minute counts at once: a flapping network would make a try of each")
	}
	w.pass(hopeEvery)
	if w.m.inCall.id == 0 && w.m.refresh.due > w.now+hopeSpread {
		t.Errorf("it was forgotten: the next try is in %v", w.m.refresh.due-w.now)
	}
}

// A call that hangs in a dead network has yet to fail when the network comes.
func TestNewsInTheMiddleOfACallCountsWhenThatHasFailed(t *testing.T) {
	w := longOutage(t)
	for w.m.inCall.id == 0 {
		w.pass(time.Second)
	}
	w.do(networkChanged{})
	w.pass(20 * time.Second)
	w.answer(answered{err: &lwa.Error{Kind: lwa.Passing, Code: "timeout"}})
	if wait := w.m.refresh.due - w.now; wait > hopeSpread {
		t.Errorf("the next try is in %v, although the network came during the last one", wait)
	}
}

// At boot addresses come before anything was tried. The minute begins with the
// first news that shortens something.
func TestNewsThatShortensNothingIsNotCounted(t *testing.T) {
	w := linkedWorld(t)
	w.m.refresh.due = w.now + 10*time.Second
	due := w.m.refresh.due
	w.do(networkChanged{})
	if w.m.refresh.due != due {
		t.Error("news makes a refresh of a token that is good")
	}
	w.pass(due - w.now)
	w.answer(answered{err: errUnsent})
	w.m.refresh.due = w.now + backoffCap
	w.do(networkChanged{})
	if wait := w.m.refresh.due - w.now; wait > hopeSpread {
		t.Errorf("the next try is in %v, because news came when nothing had failed", wait)
	}
}

// What a person waits for is tried at once, what nobody has failed at is left.
func TestBlackoutKeepsItsSpreadWhenTheNetworkComes(t *testing.T) {
	set := testSettings(MethodCode)
	set.bootSpread = 5 * time.Minute
	w := newWorld(t, set, record{Link: testLink()}, 20*time.Second)
	due := w.m.refresh.due
	w.do(networkChanged{})
	w.do(clockSet{})
	if w.m.refresh.due != due {
		t.Errorf("due in %v after the network came, want %v: a million devices would ask within ten seconds", w.m.refresh.due-w.now, due-w.now)
	}
}
