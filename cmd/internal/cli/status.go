package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lwa-agent/agent"

	"github.com/spf13/cobra"
)

func (a *app) statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Says what is going on, what is wrong, and the cure",
		Long: `Says whether the device is linked, to whom, how long the token is good, what is
wrong and the cure, how to link, and who took the token since the agent started.
Exit status 0 whatever the state; for scripts there are "wait" and "token".`,
		Args: noArgs(anyFlags),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := a.socket()
			text, err := s.Ask(cmd.Context(), http.MethodGet, "/status", "")
			if err != nil {
				return err
			}
			if asJSON {
				_, err := a.Out.Write(text)
				return err
			}
			var status agent.Status
			if err := json.Unmarshal(text, &status); err != nil {
				return fmt.Errorf("what answers at %s is not the agent (%w); see: systemctl status lwa-agent", s.Path, err)
			}
			return writeStatus(a.Out, status, a.Env, time.Now())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the status as JSON")
	return cmd
}

// table writes lines of a label and a text. Only printable characters get out:
// names come from the network.
type table struct{ strings.Builder }

func (t *table) row(label, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text == "" {
		return
	}
	fmt.Fprintf(t, "%-9s %s\n", label, printable(text))
}

// writeStatus is the status for people, as it looks at the time now.
func writeStatus(w io.Writer, s agent.Status, env func(string) string, now time.Time) error {
	var t table
	t.row("state", "%s", stateLine(s, now))
	t.row("account", "%s", s.Account)
	switch {
	case s.ExpiresAt != nil && s.ExpiresAt.After(now):
		t.row("token", "good for %s, until %s", inWords(s.ExpiresAt.Sub(now)), timeOfDay(*s.ExpiresAt, now))
	case s.State == agent.Linked:
		t.row("token", "none is valid now")
	}
	if s.NextRefresh != nil {
		t.row("refresh", "%s", whenLine(*s.NextRefresh, now))
	}
	if p := s.LastError; p != nil {
		t.row("problem", "%s (since %s)", p.Message, timeOfDay(p.At, now))
		t.row("cure", "%s", p.Hint)
	}
	for _, w := range s.Warnings {
		t.row("warning", "%s", w.Message)
		t.row("cure", "%s", w.Hint)
	}
	waysToLink(&t, s, env, now)
	for _, d := range s.Displays {
		t.row("display", "%s", displayLine(d))
	}
	takenLines(&t, s.Handouts, now)
	t.row("scopes", "%s", strings.Join(s.Scopes, " "))
	t.row("serial", "%s", s.SerialNumber)
	t.row("clock", "%s", clockLine(s.Clock))
	t.row("writes", "%d to the state directory since the start", s.StoreWrites)
	t.row("version", "%s", s.Version)
	_, err := io.WriteString(w, t.String())
	return err
}

func stateLine(s agent.Status, now time.Time) string {
	line := s.State
	if s.State == agent.Linked && s.LinkedSince != nil {
		line += " since " + timeOfDay(*s.LinkedSince, now)
	}
	if s.Reason != "" {
		line += ": " + s.Reason
	}
	return line
}

func waysToLink(t *table, s agent.Status, env func(string) string, now time.Time) {
	t.row("link", "%s", s.AuthorizeURL)
	if s.UserCode != "" {
		line := fmt.Sprintf("open %s and enter %s", s.VerificationURI, s.UserCode)
		if s.LinkExpiresAt != nil && s.LinkExpiresAt.After(now) {
			line += fmt.Sprintf(" (good for %s)", inWords(s.LinkExpiresAt.Sub(now)))
		}
		t.row("link", "%s", line)
	}
	t.row("link", "%s", s.LinkPage)
	if s.NextLinkAt != nil {
		t.row("link", "the next code comes %s; at once with: lwa-agent link", whenLine(*s.NextLinkAt, now))
	}
	for _, w := range ways(s, env) {
		t.row(w[0], "%s", w[1])
	}
	if s.State == agent.Unlinked && s.AuthorizeURL == "" && s.UserCode == "" && s.NextLinkAt == nil {
		t.row("link", "none is offered yet; lwa-agent link waits for one")
	}
}

func displayLine(d agent.Display) string {
	line := cmp.Or(strings.TrimSpace(d.Driver+" "+d.Device), "default")
	switch {
	case d.Error != "":
		return line + ": " + d.Error
	case d.Shows != "":
		return line + " shows " + d.Shows
	}
	return line
}

// takenLines say who took the token. The last ones are of interest; all of them
// are in the JSON.
func takenLines(t *table, handouts []agent.Handout, now time.Time) {
	const most = 8
	for _, h := range handouts[:min(most, len(handouts))] {
		who := "by user " + cmp.Or(h.User, strconv.FormatInt(h.UID, 10))
		switch {
		case h.Unit != "":
			who = "for the unit " + h.Unit
		case h.UID < 0:
			who = "by others"
		}
		t.row("taken", "%s %s, last at %s", times(h.Count), who, timeOfDay(h.At, now))
	}
	if more := len(handouts) - most; more > 0 {
		t.row("taken", "by %d more; see them with: lwa-agent status --json", more)
	}
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return strconv.FormatUint(n, 10) + " times"
}

func clockLine(c agent.Clock) string {
	line := "not synchronized"
	if c.Synchronized {
		line = "synchronized"
	}
	switch skew := time.Duration(c.SkewSeconds) * time.Second; {
	case skew >= 2*time.Second:
		line += fmt.Sprintf(", %s behind Amazon's", inWords(skew))
	case skew <= -2*time.Second:
		line += fmt.Sprintf(", %s ahead of Amazon's", inWords(-skew))
	}
	return line
}

func whenLine(at, now time.Time) string {
	if !at.After(now) {
		return "now"
	}
	return fmt.Sprintf("in %s, at %s", inWords(at.Sub(now)), timeOfDay(at, now))
}

// timeOfDay is the time of day, with the date where that is another one.
func timeOfDay(at, now time.Time) string {
	at = at.In(now.Location())
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format("2006-01-02 15:04")
}

// inWords is d rounded down to what people say.
func inWords(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
