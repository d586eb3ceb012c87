package agent

import (
	"testing"
	"time"

	"lwa-agent/lwa"
)

func (w *world) bring(ev importAsked) uint64 {
	w.t.Helper()
	w.asked++
	ev.question, ev.token = w.asked, lwa.NewSecret("Atzr|of-the-script")
	w.do(ev)
	return w.asked
}

func TestImportedTokenIsProvenByARefreshBeforeItIsTheLink(t *testing.T) {
	w := unlinkedWorld(t)
	q := w.bring(importAsked{serial: "G0911B0523"})
	if call := wantCall[refresh](w, "handed in"); call.token.Reveal() != "Atzr|of-the-script" {
		t.Errorf("Amazon is asked with another token")
	}
	if !w.disk.Link.isZero() || w.m.renumber != "" {
		t.Error("something is on the disk before the token is proven")
	}
	w.wantState(Linking, "being proven")
	if _, told := w.replies[q]; told {
		t.Error("the reply came before the proof")
	}
	w.answer(answered{token: linkToken("Atza|new", "Atzr|rotated", hour)})
	w.wantReply(q, done, "proven and saved")
	w.wantState(Linked, "proven")
	if got := w.disk.Link.Refresh.Reveal(); got != "Atzr|rotated" {
		t.Errorf("on the disk is %q; a token that Amazon replaced would be dead at the next refresh", got)
	}
	numbers := ""
	for _, e := range w.effects {
		if s, is := e.(save); is && !s.record.Link.isZero() {
			numbers = s.serial
		}
	}
	if numbers != "G0911B0523" || w.m.renumber != "" {
		t.Errorf("the serial number %q was saved with the link, want the old program's, once", numbers)
	}
}

func TestRefusedImportLeavesTheLinkThatIsThere(t *testing.T) {
	for _, err := range []*lwa.Error{errRevoked, errConfig, errDown, errUnsent} {
		w := linkedWorld(t)
		q := w.bring(importAsked{replace: true, serial: "G0911B0523"})
		w.answer(answered{err: err})
		want := bad
		if err.Kind == lwa.Passing {
			want = noToken
		}
		r := w.wantReply(q, want, err.Code)
		if r.problem.Message == "" || r.problem.Hint == "" {
			t.Errorf("%s: %+v; want what happened and what to do", err.Code, r.problem)
		}
		w.wantState(Linked, err.Code)
		if w.disk.Link != testLink() || w.m.renumber != "" {
			t.Errorf("%s: the link on the disk is %+v; a wrong token must not cost a good one", err.Code, w.disk.Link)
		}
		w.wantNoCall("nobody asked for more")
		w.pass(time.Minute)
		w.wantNoCall("an import is tried once: who brought it still has it")
	}
}

func TestImportIsRefusedWithoutAskingAmazon(t *testing.T) {
	set := testSettings(MethodCode)
	set.serial = "7"
	unlinked := func(t *testing.T) *world { return newWorld(t, set, record{}, bootUp) }
	for _, test := range []struct {
		why, code string
		outcome   outcome
		world     func(t *testing.T) *world
		ev        importAsked
	}{
		{"nobody said that the link may go", "linked", conflict, linkedWorld, importAsked{}},
		{"Amazon would refuse it", "other_client", conflict, unlinked, importAsked{clientID: "amzn1.application-oa2-client.other"}},
		{"config.toml wins, and the account would see two devices", "other_serial", conflict, unlinked, importAsked{serial: "8"}},
		{"a code is tried", "busy", conflict, func(t *testing.T) *world { w := unlinkedWorld(t); w.post("code-one"); return w }, importAsked{}},
		{"another is tried", "busy", conflict, func(t *testing.T) *world { w := unlinkedWorld(t); w.bring(importAsked{}); return w }, importAsked{}},
		{"the disk is full", "store", notSaved, func(t *testing.T) *world { w := unlinkedWorld(t); w.full = true; return w }, importAsked{}},
	} {
		t.Run(test.code, func(t *testing.T) {
			w := test.world(t)
			calls := count[refresh](w)
			q := w.bring(test.ev)
			if r := w.wantReply(q, test.outcome, test.why); r.problem.Code != test.code {
				t.Errorf("%s: %+v, want %s", test.why, r.problem, test.code)
			}
			if n := count[refresh](w) - calls; n != 0 {
				t.Errorf("%s, and Amazon was asked", test.why)
			}
		})
	}
}

func TestImportEndsWithWhatItWasFor(t *testing.T) {
	other := testSettings(MethodCode)
	other.client.ID = "amzn1.application-oa2-client.other"
	for why, ev := range map[string]event{"unlinked": unlinkAsked{99}, "another client": configured{other}} {
		w := unlinkedWorld(t)
		q := w.bring(importAsked{})
		call := w.m.inCall.id
		w.do(ev)
		w.wantReply(q, conflict, why)
		w.do(answered{call: call, token: linkToken("Atza|late", "Atzr|late", hour)})
		w.wantState(Unlinked, why)
	}
}

func TestImportWaitsForTheCallInFlight(t *testing.T) {
	w := pairWorld(t)
	w.pass(30 * time.Second)
	wantCall[poll](w, "the pair")
	q := w.bring(importAsked{})
	wantCall[poll](w, "still the pair")
	w.answer(answered{err: errPending})
	w.answer(answered{token: token("Atza|new", hour)})
	w.wantReply(q, done, "proven")
	if got := w.disk.Link.Refresh.Reveal(); got != "Atzr|of-the-script" {
		t.Errorf("on the disk is %q; Amazon gave no other, so it is the one handed in", got)
	}
	if s := w.m.status(); s.UserCode != "" {
		t.Errorf("linked, and the code %q is still shown", s.UserCode)
	}
}

func TestImportsInALoopDoNotReachAmazonInALoop(t *testing.T) {
	w := unlinkedWorld(t)
	for range 30 {
		w.bring(importAsked{})
		w.pass(3 * time.Second)
		if w.m.inCall.id != 0 {
			w.answer(answered{err: errRevoked})
		}
	}
	if n := count[refresh](w); n > codesLimit {
		t.Errorf("%d calls in %v; a program in a loop would get the client id of a fleet throttled", n, 90*time.Second)
	}
}
