package agent

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lwa-agent/lwa"
)

// world plays everything round a machine: a disk that may be full, and the
// clock. Tests read as stories of it.
type world struct {
	t       *testing.T
	m       *machine
	now     time.Duration
	disk    record
	full    bool // saves fail
	effects []effect
	replies map[uint64]reply
	asked   uint64
	open    uint64 // the call in flight
}

const (
	testToken = "https://amazon.test/auth/o2/token"
	hour      = time.Hour
	bootUp    = 24 * hour // uptime at the start of a story: long after boot
)

func testSettings(method string) settings {
	return settings{
		client: &lwa.Client{
			ID: "amzn1.application-oa2-client.test", Scopes: []string{"profile"},
			RedirectURI: "https://localhost:9745/authresponse",
			Endpoints: lwa.Endpoints{
				Authorize: "https://amazon.test/ap/oa", Token: testToken,
				CodePair: "https://amazon.test/codepair", Profile: "https://amazon.test/user/profile",
			},
		},
		method: method, bootSpread: 30 * time.Second, bootID: "boot-1",
	}
}

func testLink() link {
	return link{ClientID: "amzn1.application-oa2-client.test", TokenEndpoint: testToken, Refresh: lwa.NewSecret("Atzr|one"), Account: "Ada", Scopes: "profile"}
}

// newWorld starts a machine from rec at an uptime.
func newWorld(t *testing.T, set settings, rec record, now time.Duration) *world {
	w := &world{t: t, now: now, disk: rec, replies: map[uint64]reply{}}
	w.m = newMachine(set, rec, access{}, now, time.Unix(1_800_000_000, 0), rand.New(rand.NewPCG(1, 2)))
	w.do(ticked{})
	return w
}

func unlinkedWorld(t *testing.T) *world {
	return newWorld(t, testSettings(MethodCode), record{}, bootUp)
}

func pairWorld(t *testing.T) *world {
	w := newWorld(t, testSettings(MethodCBL), record{}, bootUp)
	w.answer(answered{pair: testPair("one")})
	return w
}

// linkedWorld is linked and has a token for an hour.
func linkedWorld(t *testing.T) *world {
	w := newWorld(t, testSettings(MethodCode), record{Link: testLink()}, bootUp)
	w.answer(answered{token: token("Atza|one", hour)})
	return w
}

func token(access string, life time.Duration) lwa.Token {
	return lwa.Token{Access: lwa.NewSecret(access), Life: life}
}

func linkToken(access, refresh string, life time.Duration) lwa.Token {
	t := token(access, life)
	t.Refresh = lwa.NewSecret(refresh)
	return t
}

func testPair(name string) lwa.Pair {
	return lwa.Pair{
		DeviceCode: lwa.NewSecret("device-" + name), UserCode: strings.ToUpper(name) + "234", VerificationURI: "https://amazon.test/us/code",
		Interval: 30 * time.Second, Life: 10 * time.Minute,
	}
}

// do gives an event and everything that follows from saves.
//
// It says only before a failure that it is a helper: that takes as long as the
// machine's step, of which stories have a hundred thousand.
func (w *world) do(ev event) {
	if ev, is := ev.(answered); is && ev.call == w.open {
		w.open = 0
	}
	for i, es := 0, w.m.step(w.now, ev); i < len(es); i++ {
		w.effects = append(w.effects, es[i])
		switch e := es[i].(type) {
		case exchange:
			w.called(e.call)
		case refresh:
			w.called(e.call)
		case createPair:
			w.called(e.call)
		case poll:
			w.called(e.call)
		case profile:
			w.called(e.call)
		case cancel:
			w.open = 0
		case save:
			if i != len(es)-1 {
				w.t.Helper()
				w.t.Fatalf("effects %v follow a save: they would be carried out before its outcome is known", es[i+1:])
			}
			out := saved{}
			if w.full {
				out.problem = "no space left on device"
			} else {
				w.disk = e.record
			}
			w.do(out)
		case reply:
			if e.question == 0 {
				continue // an event of a story that waits for nothing
			}
			if old, twice := w.replies[e.question]; twice {
				w.t.Helper()
				w.t.Fatalf("question %d was answered twice: %v and %v", e.question, old, e)
			}
			w.replies[e.question] = e
		}
	}
}

func (w *world) called(id uint64) {
	if w.open != 0 {
		w.t.Helper()
		w.t.Fatalf("call %d began while call %d is in flight: two refreshes at once lose a rotated token", id, w.open)
	}
	w.open = id
}

// pass lets time pass, waking the machine whenever it wants to be woken.
func (w *world) pass(d time.Duration) {
	spins := 0
	for end := w.now + d; w.now < end; {
		if w.m.deadline() > w.now {
			spins = 0
		} else if spins++; spins > 20 {
			w.t.Helper()
			w.t.Fatalf("the machine wants to be woken at once, again and again: the agent would use up a core (call %+v, code held %v, offering %v)", w.m.inCall, w.m.code.isHeld(), w.m.offering())
		}
		w.now = min(max(w.m.deadline(), w.now+1), end)
		w.do(ticked{})
	}
}

// answer ends the call in flight.
func (w *world) answer(ev answered) {
	w.t.Helper()
	if w.m.inCall.id == 0 {
		w.t.Fatalf("no call is in flight to be answered with %+v", ev)
	}
	ev.call = w.m.inCall.id
	if ev.sent == 0 {
		ev.sent = w.now
	}
	w.do(ev)
}

// wantCall returns the call in flight as the kind E of effect.
func wantCall[E effect](w *world, why string) E {
	w.t.Helper()
	for i := len(w.effects) - 1; i >= 0 && w.m.inCall.id != 0; i-- {
		if e, is := w.effects[i].(E); is && strings.HasPrefix(fmt.Sprint(e), fmt.Sprintf("{%d", w.m.inCall.id)) {
			return e
		}
	}
	var e E
	w.t.Fatalf("%s: want the call %T in flight, got call %+v", why, e, w.m.inCall)
	return e
}

func (w *world) wantNoCall(why string) {
	if w.m.inCall.id != 0 {
		w.t.Helper()
		w.t.Fatalf("%s: want no call in flight, got %+v", why, w.m.inCall)
	}
}

func (w *world) wantState(want, why string) {
	if got := w.m.status(); got.State != want {
		w.t.Helper()
		w.t.Fatalf("%s: state is %q (%s), want %q", why, got.State, got.Reason, want)
	}
}

func (w *world) wantProblem(code, why string) {
	w.t.Helper()
	got := ""
	if p := w.m.status().LastError; p != nil {
		got = p.Code
	}
	if got != code {
		w.t.Fatalf("%s: last error is %q, want %q", why, got, code)
	}
}

// count counts the effects of a kind since the start.
func count[E effect](w *world) int {
	n := 0
	for _, e := range w.effects {
		if _, is := e.(E); is {
			n++
		}
	}
	return n
}

func (w *world) ask(minValid time.Duration) uint64 {
	w.t.Helper()
	w.asked++
	w.do(tokenAsked{w.asked, minValid, 5 * time.Second})
	return w.asked
}

func (w *world) wantReply(question uint64, want outcome, why string) reply {
	w.t.Helper()
	r, answered := w.replies[question]
	if !answered || r.outcome != want {
		w.t.Fatalf("%s: reply %+v (answered: %v), want outcome %d", why, r, answered, want)
	}
	return r
}

func (w *world) post(code string) uint64 {
	w.t.Helper()
	w.asked++
	w.do(codePosted{question: w.asked, drop: lwa.Drop{Code: lwa.NewSecret(code), State: w.m.rec.Attempts[0].State}})
	return w.asked
}

// restart throws the machine away and starts another from the disk.
func (w *world) restart(set settings) {
	w.t.Helper()
	effects := w.effects
	*w = *newWorld(w.t, set, w.disk, w.now)
	w.effects = append(effects, w.effects...)
}

var (
	errDown    = &lwa.Error{Kind: lwa.Passing, Code: "server", Message: "down"}
	errUnsent  = &lwa.Error{Kind: lwa.Passing, Code: "network", Message: "no network", Unsent: true}
	errRevoked = &lwa.Error{Kind: lwa.Spent, Code: "invalid_grant", Message: "removed"}
	errSpent   = &lwa.Error{Kind: lwa.Spent, Code: "invalid_grant", Message: "used before"}
	errConfig  = &lwa.Error{Kind: lwa.Configuration, Code: "invalid_client", Message: "wrong secret", Hint: "copy it again"}
	errPending = &lwa.Error{Kind: lwa.Pending, Code: "authorization_pending"}
	errSlow    = &lwa.Error{Kind: lwa.SlowDown, Code: "slow_down"}
)

// inboxWith is the inbox with one dropped code in it.
func inboxWith(drop lwa.Drop, file droppedFile) inboxChecked {
	return inboxChecked{offers: []droppedCode{{drop, file}}}
}

// testFile is a dropped file of a story; it is on no disk.
func testFile(name string) droppedFile {
	return droppedFile{dir: "/spool", name: name, dev: 1, ino: uint64(len(name)), size: 20}
}
