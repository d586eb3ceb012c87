package agent

import (
	"math/rand/v2"
	"testing"
	"time"

	"lwa-agent/lwa"
)

// FuzzMachine throws events at the machine as the bytes say and checks what
// must hold whatever happens; world.do checks that a save is the last effect
// of its step and that no question is answered twice.
func FuzzMachine(f *testing.F) {
	f.Add([]byte("a story of codes, outages and restarts"), false)
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}, true)
	f.Fuzz(func(t *testing.T, story []byte, cbl bool) { playStory(t, story[:min(len(story), 300)], cbl) })
}

// TestInvariantsHoldInRandomStories is FuzzMachine for everyday.
func TestInvariantsHoldInRandomStories(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range 100 {
		story := make([]byte, 150)
		for j := range story {
			story[j] = byte(rng.Uint32())
		}
		playStory(t, story, i%2 == 0)
	}
}

func playStory(t *testing.T, story []byte, cbl bool) {
	method := MethodCode
	if cbl {
		method = MethodCBL
	}
	set := testSettings(method)
	if len(story) > 0 && story[0]&64 != 0 {
		set.code = lwa.NewSecret("code-of-the-configuration")
	}
	other := testSettings(method)
	other.client.ID = "amzn1.application-oa2-client.other"
	w := newWorld(t, set, record{}, bootUp)
	sent := map[string]int{}
	serial := 0
	name := func(kind string) string {
		serial++
		return kind + string(rune('a'+serial%26)) + time.Duration(serial).String()
	}
	checked := 0
	hadLink := false
	unlinked := false
	for _, b := range story {
		arg := time.Duration(b>>5) + 1
		unlinked = false
		switch b & 31 {
		case 0, 1, 2:
			w.pass(arg * time.Second)
		case 3:
			w.pass(arg * 10 * time.Minute)
		case 4, 5:
			w.post([]string{"code-one", "code-two", name("code-")}[int(arg)%3])
		case 6:
			w.do(inboxWith(lwa.Drop{Code: lwa.NewSecret(name("code-"))}, testFile("f")))
		case 7:
			w.ask(arg * 10 * time.Minute)
		case 8:
			w.do(tokenRefused{token: w.m.access.Token})
		case 9:
			w.asked++
			w.do(relinkAsked{w.asked})
		case 10:
			w.asked++
			w.do(relinkCanceled{w.asked})
		case 11:
			w.asked++
			w.do(unlinkAsked{w.asked})
			unlinked = true
		case 12:
			w.full = !w.full
		case 13:
			w.do(networkChanged{})
		case 14:
			w.do(attended{})
		case 15:
			if !w.m.unsaved {
				w.restart(set)
				w.replies, w.asked = map[uint64]reply{}, w.asked+1000 // questions end with the process
			}
		case 16:
			w.do(configured{set})
		case 18:
			w.do(configured{other})
		case 19:
			w.do(inboxChecked{
				offers:  []droppedCode{{lwa.Drop{Code: lwa.NewSecret(name("code-")), State: "AAAAAAAAAAAAAAAAAAAAAA"}, testFile("foreign")}},
				refused: refusal{"/spool/x", "nonsense", "remove it"},
			})
		case 20:
			w.asked++
			w.do(importAsked{w.asked, lwa.NewSecret(name("Atzr|")), "", "", arg%2 == 0})
		case 17:
			w.do(answered{call: 1 << 40, token: linkToken("Atza|stale", "Atzr|stale", hour)})
		default:
			if w.m.inCall.id != 0 {
				w.answer(randomAnswer(b, name))
			}
		}
		for ; checked < len(w.effects); checked++ {
			if e, is := w.effects[checked].(exchange); is {
				sent[e.code.Reveal()]++
			}
		}
		checkInvariants(t, w, sent, hadLink && !unlinked)
		hadLink = !w.disk.Link.isZero()
	}
	w.full = false
	w.pass(10 * time.Second) // every question is answered within its patience
	if w.m.imported.isHeld() && w.m.inCall.id == 0 {
		t.Fatal("an imported token waits for a proof that nobody will make")
	}
	if n := len(w.m.asks); n != 0 {
		t.Fatalf("%d questions were never answered", n)
	}
}

func randomAnswer(b byte, name func(string) string) answered {
	switch b % 9 {
	case 0:
		return answered{err: errDown}
	case 1:
		return answered{err: errSpent}
	case 2:
		return answered{err: errConfig}
	case 3:
		return answered{err: errPending}
	case 4:
		return answered{err: errSlow}
	case 5:
		return answered{err: &lwa.Error{Kind: lwa.Passing, Code: "timeout", RetryAfter: time.Minute}}
	default:
		return answered{token: linkToken(name("Atza|"), name("Atzr|"), hour), pair: testPair("one"), account: "Ada"}
	}
}

func checkInvariants(t *testing.T, w *world, sent map[string]int, keptLink bool) {
	t.Helper()
	for code, n := range sent {
		if n > 1 {
			t.Fatalf("the code %q was sent %d times", code, n)
		}
	}
	if w.m.saving != nil {
		t.Fatal("a save has no outcome")
	}
	if keptLink && w.disk.Link.isZero() {
		t.Fatal("the refresh token was cleared by something else than unlink")
	}
	s := w.m.status()
	if (s.State == Linked) != w.m.linked() {
		t.Fatalf("state %q, linked %v", s.State, w.m.linked())
	}
	if w.m.linked() && !w.m.unsaved && w.disk.Link.Refresh != w.m.rec.Link.Refresh {
		t.Fatal("the link in use is not the one on disk, and nothing says so")
	}
	if !w.m.linked() && !w.m.access.Token.IsZero() {
		t.Fatal("an access token is kept without a link")
	}
	if s.State != Linked && s.ExpiresAt != nil {
		t.Fatal("a device that is not linked shows the end of a token")
	}
	if w.m.candidate() && w.m.prove.due == never && w.m.inCall.kind != callProve {
		t.Fatal("a new link waits for a proof that nobody will make")
	}
	if due := w.m.deadline(); due < w.now {
		t.Fatalf("deadline %v lies before now %v", due, w.now)
	}
}
