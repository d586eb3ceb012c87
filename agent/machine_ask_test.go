package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
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

func TestAThousandAskersMakeOneCall(t *testing.T) {
	w := linkedWorld(t)
	w.pass(50 * time.Minute) // the refresh hangs
	before := count[refresh](w)
	var asks []uint64
	for range 1000 {
		asks = append(asks, w.ask(25*time.Minute))
	}
	if n := count[refresh](w) - before; n != 0 {
		t.Errorf("%d more calls while one is in flight", n)
	}
	w.pass(5 * time.Second)
	for _, q := range asks {
		w.wantReply(q, done, "after 5 s what is still valid goes out")
	}
}

func TestNobodyIsAskedForMoreThanHalfALife(t *testing.T) {
	w := linkedWorld(t)
	for range 100 {
		w.wantReply(w.ask(24*hour), done, "min_valid counts as half of the life at most")
	}
	w.wantNoCall("a program that wants 24 h from a token of 1 h")
}

func TestRefusedTokenIsRefreshedOnceHoweverManyReport(t *testing.T) {
	w := linkedWorld(t)
	before := count[refresh](w)
	for range 100 {
		w.do(tokenRefused{token: lwa.NewSecret("Atza|one")})
	}
	if n := count[refresh](w) - before; n != 1 {
		t.Fatalf("100 reports of one token made %d calls, want 1", n)
	}
	q := w.ask(0)
	w.answer(answered{token: token("Atza|two", hour)})
	w.wantReply(q, done, "the new token goes out")
	w.do(tokenRefused{token: lwa.NewSecret("Atza|two")})
	w.wantNoCall("a second report within the minute")
	w.do(tokenRefused{token: lwa.NewSecret("Atza|one")})
	w.wantNoCall("a report of a token that is not in use")
	w.pass(time.Minute)
	w.do(tokenRefused{token: lwa.NewSecret("Atza|two")})
	wantCall[refresh](w, "a minute later")
}
