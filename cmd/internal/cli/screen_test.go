package cli

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

func noon() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

func later(d time.Duration) *time.Time { t := noon().Add(d); return &t }

func pairStatus() agent.Status {
	return agent.Status{
		State: agent.Unlinked, Reason: "not linked yet", Method: agent.MethodCBL,
		UserCode: "BEYHYS", VerificationURI: "https://amazon.com/us/code", PollSeconds: 30,
		LinkExpiresAt: later(10 * time.Minute),
	}
}

func authorizeStatus() agent.Status {
	return agent.Status{
		State: agent.Unlinked, Reason: "removed in the Amazon account", Method: agent.MethodCode,
		AuthorizeURL: "https://www.amazon.com/ap/oa?client_id=amzn1.application-oa2-client.0f1e2d3c4b5a69788796a5b4c3d2e1f0" +
			"&scope=alexa%3Aall&scope_data=%7B%22alexa%3Aall%22%3A%7B%22productID%22%3A%22Kitchen_Radio%22%2C" +
			"%22productInstanceAttributes%22%3A%7B%22deviceSerialNumber%22%3A%220123456789abcdef%22%7D%7D%7D" +
			"&response_type=code&redirect_uri=https%3A%2F%2Flocalhost%3A9745%2Fauthresponse&state=AbCdEfGhIjKlMnOpQrStUv" +
			"&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
	}
}

// words is all that stands on a terminal, as one line.
func words(t *testing.T, s display.Screen, columns, rows int) (text, shows string) {
	t.Helper()
	out, shows := display.Cells{Columns: columns, Rows: rows, Escapes: true}.FullScreen(s)
	picture, err := displaytest.Replay([]byte(out), columns, rows)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.NewReplacer("▀", " ", "\n", " ").Replace(picture.Text())
	return strings.Join(strings.Fields(text), " "), shows
}

func TestWordsOfEachState(t *testing.T) {
	paris := agent.Problem{Code: "network", Message: "api.amazon.com cannot be reached: no such host", Hint: "check the network"}
	for _, want := range []struct {
		name   string
		change func(*agent.Status)
		status agent.Status
		kind   display.Kind
		said   []string
		never  string
	}{
		{
			name: "a pair", status: pairStatus(), kind: display.Offer,
			said: []string{
				"Link this device to Amazon", "Scan this with your phone's camera, or open amazon.com/us/code",
				"enter the code BEYHYS", "After you allowed it, it may take up to half a minute.", "Not linked yet.",
			},
		},
		{
			name: "a pair that is asked about often", status: pairStatus(), kind: display.Offer,
			change: func(s *agent.Status) { s.PollSeconds = 5 },
			said:   []string{"This screen says when it is done."}, never: "up to",
		},
		{
			name: "a pair that is asked about rarely", status: pairStatus(), kind: display.Offer,
			change: func(s *agent.Status) { s.PollSeconds = 60 }, said: []string{"up to a minute"},
		},
		{
			name: "the authorize URL", status: authorizeStatus(), kind: display.Offer,
			said: []string{
				"Open this address on a phone or a computer and sign in: https://www.amazon.com/ap/oa?",
				"After that a page fails to load, as it should. Copy its address.",
				"run lwa-agent link and paste it, or drop it as a text file.", "Removed in the Amazon account.",
				"authorize URL needs ", ": enlarge it, or set [link_page], or link with a client id of \"Other devices and platforms\": their codes are small.",
			}, never: "Scan",
		},
		{
			name: "the link page", status: authorizeStatus(), kind: display.Offer,
			change: func(s *agent.Status) {
				s.LinkPage, s.RedirectURI = "HTTP://192.168.1.20:9744/7K2Q", "https://localhost:9745/authresponse"
			},
			said: []string{"Scan this with a phone in the same network, or open this address there: HTTP://192.168.1.20:9744/7K2Q", "It says how to go on, and this screen says when it is done."},
		},
		{
			name: "a page on the web sends the phone back", status: authorizeStatus(), kind: display.Offer,
			change: func(s *agent.Status) {
				s.LinkPage, s.ComesBack = "HTTP://192.168.1.20:9744/7K2Q", true
			},
			said: []string{"HTTP://192.168.1.20:9744/7K2Q", "You are brought back to this device"},
		},
		{
			name: "a problem and an offer", status: pairStatus(), kind: display.Offer,
			change: func(s *agent.Status) { s.LastError = &paris },
			said:   []string{"BEYHYS", "api.amazon.com cannot be reached: no such host; check the network."},
		},
		{
			name: "a code handed in", status: authorizeStatus(), kind: display.Working,
			change: func(s *agent.Status) { s.CodePending, s.LastError = true, &paris },
			said:   []string{"The code was received", "Amazon is asked as soon as it can be reached.", "check the network"}, never: "https://",
		},
		{
			name: "linking", status: agent.Status{State: agent.Linking, Reason: "signed in; proving the link"},
			kind: display.Working, said: []string{"Linking this device to Amazon", "a few seconds"},
		},
		{
			name: "nobody here", kind: display.Working,
			status: agent.Status{State: agent.Unlinked, Reason: "not linked yet", NextLinkAt: later(90 * time.Minute)},
			said:   []string{"the next code comes at 13:30.", "run lwa-agent link"},
		},
		{
			name: "no code yet", status: agent.Status{State: agent.Unlinked, Reason: "not linked yet"},
			kind: display.Working, said: []string{"the link is being prepared"},
		},
		{
			name: "no code to be had", kind: display.Problem,
			status: agent.Status{State: agent.Unlinked, Reason: "not linked yet", LastError: &paris},
			said:   []string{"This device is not linked to Amazon", "check the network"},
		},
		{
			name: "linked", status: agent.Status{State: agent.Linked, Account: "Jane Doe"}, kind: display.Linked,
			said: []string{"Linked to the Amazon account of Jane Doe", "Not yours? Run lwa-agent unlink."},
		},
		{
			name: "linked, account unknown", status: agent.Status{State: agent.Linked}, kind: display.Linked,
			said: []string{"Linked to Amazon"}, never: "account",
		},
		{
			name: "linked, refresh fails", kind: display.Linked,
			status: agent.Status{State: agent.Linked, LastError: &paris}, said: []string{"Linked", "check the network"},
		},
		{
			name: "relink", status: pairStatus(), kind: display.Offer,
			change: func(s *agent.Status) { s.State, s.Account = agent.Linked, "Jane Doe" },
			said:   []string{"BEYHYS", "Until the new link works, the old one stays in use, that to the account of Jane Doe."},
		},
	} {
		t.Run(want.name, func(t *testing.T) {
			st := want.status
			if want.change != nil {
				want.change(&st)
			}
			s := screenFor(st, noon())
			text, _ := words(t, s, 80, 24)
			if s.Kind != want.kind {
				t.Errorf("its kind is %d, want %d", s.Kind, want.kind)
			}
			for _, w := range want.said {
				if !strings.Contains(text, w) {
					t.Errorf("at 80x24 a person does not read %q in:\n%s", w, text)
				}
			}
			if want.never != "" && strings.Contains(text, want.never) {
				t.Errorf("%q should not stand in:\n%s", want.never, text)
			}
			if t.Failed() {
				t.Logf("screen: %+v", s)
			}
		})
	}
}

func TestPairCodeHoldsTheUserCode(t *testing.T) {
	for uri, want := range map[string]string{
		"https://amazon.com/us/code":       "https://amazon.com/us/code?cbl-code=BEYHYS",
		"http://127.0.0.1:9/us/code?lab=1": "http://127.0.0.1:9/us/code?lab=1&cbl-code=BEYHYS",
	} {
		st := pairStatus()
		st.VerificationURI = uri
		out, _ := display.Cells{Columns: 80, Rows: 30, Escapes: true}.FullScreen(screenFor(st, noon()))
		if got, err := displaytest.DecodeTerminal([]byte(out), 80, 30); err != nil || got != want {
			t.Errorf("a phone reads %q (%v), want %q", got, err, want)
		}
	}
}

func TestSameStatusGivesTheSameScreen(t *testing.T) {
	st := pairStatus()
	first := screenFor(st, noon())
	st.StoreWrites, st.Displays = 9, []agent.Display{{Driver: "png", Shows: "text"}}
	if again := screenFor(st, noon().Add(59*time.Second)); !again.Equal(first) {
		t.Errorf("the screen changed from %+v to %+v, and e-paper would flicker, though nothing in it is news", first, again)
	}
}

// TestScreenChangesWithTimeAndOnlyThen: a code pair counts its minutes, and a
// device that is linked says so for one.
func TestScreenChangesWithTimeAndOnlyThen(t *testing.T) {
	linked := agent.Status{State: agent.Linked, Account: "Jane Doe", LinkedSince: later(0)}
	failing := linked
	failing.LastError = &agent.Problem{Code: "network", Message: "no way", Hint: "wait"}
	for _, want := range []struct {
		name   string
		status agent.Status
		after  []time.Duration // between changes
	}{
		{"a pair of 10 minutes", pairStatus(), slices.Repeat([]time.Duration{time.Minute}, 9)},
		{"linked", linked, []time.Duration{linkedShown}},
		{"linked and something wrong", failing, nil},
		{"an authorize URL", authorizeStatus(), nil},
	} {
		now := noon()
		for i, after := range want.after {
			if got := unchangedFor(want.status, now); got != after {
				t.Fatalf("%s: change %d comes after %v, want %v", want.name, i+1, got, after)
			}
			before, next := screenFor(want.status, now.Add(after-1)), screenFor(want.status, now.Add(after))
			if !before.Equal(screenFor(want.status, now)) {
				t.Errorf("%s: the screen changed earlier than %v", want.name, after)
			}
			if before.Equal(next) {
				t.Errorf("%s: nothing changed after %v", want.name, after)
			}
			now = now.Add(after)
		}
		if got := unchangedFor(want.status, now); got != 0 {
			t.Errorf("%s: one more change after %v, want none", want.name, got)
		}
	}
	if s := screenFor(linked, noon().Add(linkedShown)); s.Kind != display.Blank {
		t.Errorf("a minute after it was linked the display shows %+v: it burns in", s)
	}
}

// TestNobodyIsToldOfMillionsOfMinutes: a device without a battery for its clock
// is in 1970 until the network tells it better.
func TestNobodyIsToldOfMillionsOfMinutes(t *testing.T) {
	st := pairStatus()
	for _, expires := range []time.Time{noon().AddDate(56, 0, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Unix(0, 0)} {
		st.LinkExpiresAt = &expires
		if s := screenFor(st, noon()); s.Left != "" || s.Brief.Left != "" || unchangedFor(st, noon()) != 0 {
			t.Errorf("a code that is good until %v: %q, %q; want nothing said of the time", expires, s.Left, s.Brief.Left)
		}
	}
}

func TestLinkAsksForThePasteBelow(t *testing.T) {
	st := authorizeStatus()
	st.LastError = &agent.Problem{Message: "said already"}
	s := linkScreen(st, noon())
	asks := slices.ContainsFunc(s.Lines, func(l string) bool { return strings.HasPrefix(l, "Paste it below.") })
	if !asks || slices.Contains(s.Lines, bringBack) || s.Problem != "" {
		t.Errorf("lwa-agent link would show %+v; want to be asked for a paste right here, and no problem twice", s)
	}
}
