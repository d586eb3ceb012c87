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

// screenFor says what a display shows for st at the time now. Every word that people see on a
// display stands in this file.
func screenFor(st agent.Status, now time.Time) display.Screen {
	s := stateScreen(st, now)
	if st.LastError != nil {
		s.Problem = sentence(problemText(st.LastError))
	}
	return s
}

// linkScreen is what lwa-agent link shows above its prompt. Problems are its
// own lines there, as they come and go.
func linkScreen(st agent.Status, now time.Time) display.Screen {
	s := stateScreen(st, now)
	for i, l := range s.Lines {
		if strings.HasPrefix(l, bringBack) {
			s.Lines[i] = "Paste it below."
		}
	}
	return s
}

const (
	title     = "Link this device to Amazon"
	bringBack = "Bring it to this device: run lwa-agent link and paste it, or drop it as a text file"
)

func stateScreen(st agent.Status, now time.Time) display.Screen {
	switch {
	case st.CodePending || st.State == agent.Linking:
		return display.Screen{Kind: display.Working, Title: "Linking this device to Amazon", Lines: more(
			"The code was received, and Amazon is being asked. This takes a few seconds.")}
	case st.AuthorizeURL != "" && st.LinkPage != "":
		return linkPageScreen(st)
	case st.AuthorizeURL != "":
		return authorizeScreen(st)
	case st.UserCode != "":
		return pairScreen(st)
	case st.State == agent.Linked:
		return linkedScreen(st)
	case st.NextLinkAt != nil:
		return display.Screen{Kind: display.Working, Title: "This device is not linked to Amazon", Lines: more(
			"Nobody was here for a while: the next code comes at "+st.NextLinkAt.In(now.Location()).Format("15:04")+".",
			"For one now, run lwa-agent link.", reasonText(st))}
	case st.LastError != nil:
		return display.Screen{Kind: display.Problem, Title: "This device is not linked to Amazon", Lines: more(reasonText(st))}
	}
	return display.Screen{Kind: display.Working, Title: title, Lines: more("One moment: the link is being prepared.", reasonText(st))}
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
func pairScreen(st agent.Status) display.Screen {
	patience := "This screen says when it is done."
	switch {
	case st.PollSeconds > 30:
		patience = "After you allowed it, it may take up to a minute."
	case st.PollSeconds > 10:
		patience = "After you allowed it, it may take up to half a minute."
	}
	address := strings.TrimPrefix(st.VerificationURI, "https://")
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
		Lines:   more(patience, oldLinkStays(st), reasonText(st)),
	}
}

func linkedScreen(st agent.Status) display.Screen {
	s := display.Screen{Kind: display.Linked, Title: "Linked to Amazon"}
	if st.Account != "" {
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
