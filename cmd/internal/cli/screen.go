package cli

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lwa-agent/agent"
	"lwa-agent/display"
)

// screenFor says what a display shows for st at the time now. Every word that
// people see on a display stands in this file and in screen_brief.go.
func screenFor(st agent.Status, now time.Time) display.Screen {
	s := stateScreen(st, now)
	if st.LastError != nil {
		s.Problem = sentence(problemText(st.LastError))
		s.Brief.Problem = briefProblem(st.LastError)
	} else if s.Kind == display.Linked && !linkedBefore(st, now).After(now) {
		return display.Screen{} // pixels that are lit for years burn in
	}
	return s
}

// linkedShown is for how long a device says that it is linked.
const linkedShown = time.Minute

// linkedBefore is when nothing is left to be said about the link.
func linkedBefore(st agent.Status, now time.Time) time.Time {
	if st.LinkedSince == nil {
		return now.Add(linkedShown)
	}
	return st.LinkedSince.Add(linkedShown)
}

// unchangedFor is how long the screen for st stays as it is at the time now; 0:
// until the status changes.
func unchangedFor(st agent.Status, now time.Time) time.Duration {
	switch s := stateScreen(st, now); {
	case s.Left != "":
		if left := st.LinkExpiresAt.Sub(now); left > time.Minute {
			return (left-1)%time.Minute + 1
		}
	case s.Kind == display.Linked && st.LastError == nil && st.LinkedSince != nil:
		return max(0, linkedBefore(st, now).Sub(now))
	}
	return 0
}

// linkScreen is what lwa-agent link shows above its prompt. Problems are its
// own lines there, as they come and go.
func linkScreen(st agent.Status, now time.Time) display.Screen {
	s := stateScreen(st, now)
	s.Left, s.Brief.Left = "", "" // it is written once and stays
	for i, l := range s.Lines {
		if strings.HasPrefix(l, bringBack) {
			s.Lines[i] = `Paste it below. If Amazon says "We're sorry" instead, run lwa-agent doctor.`
		}
	}
	return s
}

const (
	title     = "Link this device to Amazon"
	notLinked = "This device is not linked to Amazon"
	bringBack = "Bring it to this device: run lwa-agent link and paste it, or drop it as a text file"
)

func stateScreen(st agent.Status, now time.Time) display.Screen {
	switch {
	case st.State == agent.Linking:
		return display.Screen{
			Kind: display.Working, Title: "Linking this device to Amazon", Open: "Amazon is being asked. This takes a few seconds.",
			Brief: display.Brief{Title: "Asking Amazon"},
		}
	case st.CodePending:
		return display.Screen{
			Kind: display.Working, Title: "The code was received", Open: "Amazon is asked as soon as it can be reached.",
			Brief: display.Brief{Title: "Code received", Open: "Asking Amazon"},
		}
	case st.AuthorizeURL != "" && st.LinkPage != "":
		return linkPageScreen(st)
	case st.AuthorizeURL != "":
		return authorizeScreen(st)
	case st.UserCode != "":
		return pairScreen(st, now)
	case st.State == agent.Linked:
		return linkedScreen(st)
	case st.NextLinkAt != nil:
		at := st.NextLinkAt.In(now.Location()).Format("15:04")
		return display.Screen{
			Kind: display.Working, Title: notLinked, Open: "Nobody was here for a while: the next code comes at " + at + ".",
			Lines: more("For one now, run lwa-agent link.", reasonText(st)),
			Brief: display.Brief{Title: "Not linked", Open: "Next code at " + at},
		}
	case st.LastError != nil:
		return display.Screen{
			Kind: display.Problem, Title: notLinked, Lines: more(reasonText(st)),
			Brief: display.Brief{Title: "Not linked"},
		}
	}
	return display.Screen{
		Kind: display.Working, Title: title, Open: "One moment: the link is being prepared.", Lines: more(reasonText(st)),
		Brief: display.Brief{Title: briefTitle, Open: "One moment"},
	}
}

// authorizeScreen offers the authorize URL. The code comes back by hand: the
// phone is sent to an address that exists on no phone.
func authorizeScreen(st agent.Status) display.Screen {
	return display.Screen{
		Kind: display.Offer, Title: title,
		Payloads: []display.Payload{{Name: "authorize URL", Text: st.AuthorizeURL}},
		Scan:     "Scan this with your phone's camera and sign in.",
		Open:     "Open this address on a phone or a computer and sign in:",
		Address:  st.AuthorizeURL,
		Lines: more(
			"After that a page fails to load, as it should. Copy its address.",
			bringItBack(st), oldLinkStays(st), reasonText(st)),
		SmallerCode: `set [link_page], or link with a client id of "Other devices and platforms": their codes are small`,
		Elsewhere:   "For the address run: lwa-agent status",
		Brief: display.Brief{
			Title: briefTitle, Scan: "Scan and sign in", Open: "Open and sign in:", Elsewhere: "Run lwa-agent link",
		},
	}
}

// linkPageScreen offers the page on the local network, which says how to go on.
// Where a page on the web sends the phone back to this device, the phone can as
// well begin at Amazon.
func linkPageScreen(st agent.Status) display.Screen {
	s := display.Screen{
		Kind: display.Offer, Title: title,
		Payloads: []display.Payload{{Name: "link page", Text: st.LinkPage}, {Name: "authorize URL", Text: st.AuthorizeURL}},
		Scan:     "Scan this with a phone in the same network, or open this address there:",
		Open:     "Open this address on a phone or a computer in the same network:",
		Address:  st.LinkPage,
		Lines:    more("It says how to go on, and this screen says when it is done.", oldLinkStays(st), reasonText(st)),
		Brief:    display.Brief{Title: briefTitle, Scan: "Scan in the same network", Open: "Open:"},
	}
	if st.ComesBack {
		slices.Reverse(s.Payloads)
		s.Scan = "Scan this with a phone in the same network and sign in, or open this address there:"
		s.Lines[0] = "You are brought back to this device, and this screen says when it is done."
	}
	return s
}

// bringItBack says how the address comes to the device.
func bringItBack(st agent.Status) string {
	if len(st.Inbox) == 0 {
		return bringBack + "."
	}
	return bringBack + " into " + st.Inbox[0] + "."
}

// pairScreen offers a code pair, for which nothing has to come back.
func pairScreen(st agent.Status, now time.Time) display.Screen {
	patience := "This screen says when it is done."
	switch {
	case st.PollSeconds > 30:
		patience = "After you allowed it, it may take up to a minute."
	case st.PollSeconds > 10:
		patience = "After you allowed it, it may take up to half a minute."
	}
	address := strings.TrimPrefix(st.VerificationURI, "https://")
	left, briefLeft := timeLeft(st, now)
	return display.Screen{
		Kind: display.Offer, Title: title,
		Payloads: []display.Payload{
			{Name: "code-pair URL", Text: st.PairURL()},
			{Name: "code-pair page", Text: st.VerificationURI},
		},
		Scan:    "Scan this with your phone's camera, or open",
		Open:    "Open this address on a phone or a computer:",
		Address: address,
		Enter:   "Sign in and enter the code",
		Code:    st.UserCode,
		Left:    left,
		Brief:   display.Brief{Title: briefTitle, Scan: "Scan or open", Open: "Open:", Left: briefLeft},
		Lines:   more(patience, oldLinkStays(st), reasonText(st)),
	}
}

func linkedScreen(st agent.Status) display.Screen {
	s := display.Screen{Kind: display.Linked, Title: "Linked to Amazon"}
	if st.Account != "" {
		s.Brief.Title = "Linked: " + st.Account
		s.Title = "Linked to the Amazon account of " + st.Account
		s.Lines = more("Not yours? Run lwa-agent unlink.")
	}
	s.Lines = append(s.Lines, more(reasonText(st))...)
	return s
}

// absentScreen is shown while no agent answers; err says why.
func absentScreen(err error) display.Screen {
	return display.Screen{
		Kind: display.Problem, Title: "lwa-agent is not running",
		Problem: sentence(err.Error()),
		Lines:   []string{"To see why: systemctl status lwa-agent"},
		Brief:   display.Brief{Title: "No lwa-agent", Problem: "systemctl status lwa-agent"},
	}
}

func oldLinkStays(st agent.Status) string {
	if st.State != agent.Linked {
		return ""
	}
	account := ""
	if st.Account != "" {
		account = ", that to the account of " + st.Account
	}
	return "Until the new link works, the old one stays in use" + account + "."
}

// reasonText is the reason as a sentence, but for a link being offered anew,
// which oldLinkStays has said already.
func reasonText(st agent.Status) string {
	if st.State == agent.Linked && (st.AuthorizeURL != "" || st.UserCode != "") {
		return ""
	}
	return sentence(st.Reason)
}

// sentence begins with a capital letter and ends in a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	if rest := text[size:]; !startsWithName(text) {
		text = string(unicode.ToUpper(first)) + rest
	}
	if strings.ContainsAny(text[len(text)-1:], ".!?:") {
		return text
	}
	return text + "."
}

// startsWithName: a path, an option or a setting is written as it is.
func startsWithName(text string) bool {
	word, _, _ := strings.Cut(text, " ")
	return strings.ContainsAny(word, "/_.-=")
}

// more is the lines that say something.
func more(lines ...string) []string {
	var kept []string
	for _, l := range lines {
		if l != "" {
			kept = append(kept, l)
		}
	}
	return kept
}
