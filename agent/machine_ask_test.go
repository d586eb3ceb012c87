package agent

import (
	"testing"
	"time"
)

func TestReportWithinTheMinuteCountsWhenItIsOver(t *testing.T) {
	w := linkedWorld(t)
	w.do(tokenRefused{token: w.m.access.Token})
	w.answer(answered{token: token("Atza|two", hour)})
	w.pass(20 * time.Second)
	for range 3 {
		w.do(tokenRefused{token: w.m.access.Token})
	}
	w.wantReply(w.ask(0), done, "until then the token still goes out")
	w.wantNoCall("a refresh a minute is all that programs can ask for")
	w.pass(39 * time.Second)
	w.wantNoCall("59 s after the first report")
	w.pass(2 * time.Second)
	wantCall[refresh](w, "the report that came too early was not forgotten")
	w.answer(answered{token: token("Atza|three", hour)})
	w.do(tokenRefused{token: w.m.access.Token})
	w.wantNoCall("the next minute began with the second refresh")
}

func TestCodeThatNeverLeftIsGivenUpAfterFiveMinutes(t *testing.T) {
	w := unlinkedWorld(t)
	w.post("code-one-1234")
	for began := w.now; w.now-began < codeLife+time.Second; w.pass(time.Second) {
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errUnsent})
		}
	}
	if w.m.code.isHeld() {
		t.Error("the status says that the code is being tried, and Amazon would not take it any more")
	}
}
