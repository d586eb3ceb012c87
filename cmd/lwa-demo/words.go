package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/display"
	"lwa-agent/lwa/lwatest"
)

func (p *play) print(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

// say tells one event: when, who, what. What repeats itself is said once.
func (p *play) say(who, what string) {
	if what == "" || what == p.said {
		return
	}
	p.said = what
	head := fmt.Sprintf("%s  %-6s  ", time.Now().Format(time.TimeOnly), who)
	room := p.cells.Columns - len(head)
	if p.cells.Columns == 0 {
		room = len(what) // whoever reads it, wraps it
	}
	for what != "" {
		var line string
		line, what = firstLine(what, room)
		p.print("%s%s\n", head, line)
		head = strings.Repeat(" ", len(head))
	}
}

// firstLine cuts text at the last blank within room, and nowhere in a word.
func firstLine(text string, room int) (line, rest string) {
	if len(text) <= room {
		return text, ""
	}
	cut := strings.LastIndexByte(text[:max(room, 0)+1], ' ')
	if cut < 0 {
		cut = strings.IndexByte(text, ' ')
	}
	if cut < 0 {
		return text, ""
	}
	return text[:cut], text[cut+1:]
}

func (p *play) welcome() {
	p.print(`A simulated Amazon and the real lwa-agent (process %d) run on this machine,
in %s. Ctrl-C ends them and removes everything.
`, p.device.agent.Process.Pid, p.device.dir)
}

// offer shows the way to link, when it is another than before. The QR code comes
// first: the address under it is what a browser on this machine needs.
func (p *play) offer() {
	s := p.status
	key := s.AuthorizeURL + s.UserCode
	if key == "" || key == p.offered {
		return
	}
	p.offered = key
	screen := display.Screen{
		Kind:        display.Offer,
		Payloads:    []display.Payload{{Name: "authorize URL", Text: s.AuthorizeURL}},
		SmallerCode: "start the demo with --cbl, whose code is small",
	}
	todo := fmt.Sprintf(authorizeSteps, s.AuthorizeURL, p.device.drop())
	if s.UserCode != "" {
		screen = display.Screen{
			Kind:     display.Offer,
			Payloads: []display.Payload{{Name: "code-pair URL", Text: s.PairURL()}},
		}
		todo = fmt.Sprintf(pairSteps, s.VerificationURI, s.UserCode)
	}
	out, _ := p.cells.Inline(screen, rows(todo, p.cells.Columns)+1) // 1 for the cursor
	p.print("\n%s%s", out, todo)
}

const authorizeSteps = `Open this address in a browser on this machine and press Allow:
%s
(No browser here? Type allow and Enter, and the demo plays the person.)
The browser then warns of a certificate that the agent made: go on, and that is
all. Or copy the address and paste it here, or drop it in a second terminal:
  echo 'THE ADDRESS' > %s
`

const pairSteps = `Open %s in a browser on this machine,
enter the code %s and press Allow.
(No browser here? Type allow and Enter, and the demo plays the person.)
`

// rows is the height of a text in a terminal of so many columns.
func rows(text string, columns int) int {
	n := 0
	for line := range strings.Lines(text) {
		n += max(1, (len(line)-1+columns-1)/max(columns, 1))
	}
	return n
}

// bringBack tells where the browser of the demo's person has ended.
func (p *play) bringBack(address string) {
	p.print(`
The browser would end at this address. Paste it here and press Enter:
%s
or in a second terminal:
echo '%s' > %s

`, address, address, p.device.drop())
}

// invite says what can be tried with a device that is linked.
func (p *play) invite() {
	command := "go run ./cmd/lwa-agent --config " + p.device.config()
	p.print(`
Its token lives %d s here, so that refreshes are seen. Try in a second terminal:
  %s status
  %[2]s token
  %[2]s unlink
  kill -9 %[3]d        the agent comes back, and is still linked
  tail -f %[4]s
Here: type remove and Enter to remove the app in the simulated Amazon account.

`, p.life/time.Second, command, p.device.agent.Process.Pid, p.device.log())
}

// news is what has happened between two statuses.
func news(was, is agent.Status) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	switch linked := is.State == agent.Linked; {
	case linked && was.State != agent.Linked:
		add("linked; %s", tokenText(is))
	case linked && is.ExpiresAt != nil && (was.ExpiresAt == nil || !is.ExpiresAt.Equal(*was.ExpiresAt)):
		add("refreshed; %s", tokenText(is))
	case is.Reason != was.Reason && is.Reason != "":
		add("%s", is.Reason)
	}
	if is.Account != was.Account && is.Account != "" {
		add("the account is %s's", is.Account)
	}
	if p := is.LastError; p != nil && (was.LastError == nil || *p != *was.LastError) {
		add("%s", socket.WithHint(p.Message, p.Hint))
	}
	return all
}

func tokenText(s agent.Status) string {
	text := "no token is valid now"
	if s.ExpiresAt != nil {
		text = "token good until " + s.ExpiresAt.Local().Format(time.TimeOnly)
	}
	if s.NextRefresh != nil {
		text += ", next refresh at " + s.NextRefresh.Local().Format(time.TimeOnly)
	}
	return text
}

// visitText is what Amazon was asked for and did; "" where that tells nothing.
func visitText(v visit) string {
	if v.Status >= http.StatusBadRequest && v.Kind != lwatest.Poll {
		return fmt.Sprintf("refused a request (%s, %d)", v.Kind, v.Status)
	}
	switch v.Kind {
	case lwatest.Authorize:
		return "a browser opened the sign-in page"
	case lwatest.Consent:
		if strings.Contains(v.back, "error=") {
			return "Cancel was pressed; the browser is sent back with an error"
		}
		return "Allow was pressed; the browser is sent back with a code"
	case lwatest.Exchange:
		return "took the code and gave tokens for it"
	case lwatest.Refresh:
		return "gave a new access token for the refresh token"
	case lwatest.Profile:
		return "told the agent whose account it is"
	case lwatest.CodePair:
		return "made a code for the device to show"
	case lwatest.PairPage:
		return "a browser opened the page for codes"
	case lwatest.PairConsent:
		return "a button was pressed for the code"
	case lwatest.Poll:
		if v.Status != http.StatusOK {
			return "the agent asks whether it was allowed: not yet"
		}
		return "the agent asks whether it was allowed: yes, here are tokens"
	case lwatest.TokenInfo, lwatest.Other, lwatest.Unsent:
	}
	return ""
}
