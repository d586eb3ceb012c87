package cli

import (
	"strings"
	"testing"
	"time"

	"lwa-agent/agent"
)

func TestStatusReadsLikeThis(t *testing.T) {
	now := *timeAt("2026-03-01T12:00:00Z")
	at := func(d time.Duration) *time.Time { x := now.Add(d); return &x }
	for _, test := range []struct {
		name   string
		status agent.Status
		want   string
	}{
		{"linked", agent.Status{
			State: agent.Linked, Account: "Jo Example", Scopes: []string{"profile", "postal_code"}, SerialNumber: "0a1b",
			LinkedSince: at(-50 * time.Hour), ExpiresAt: at(52*time.Minute + 30*time.Second), NextRefresh: at(21 * time.Minute),
			Displays: []agent.Display{{Driver: "terminal", Device: "/dev/tty1", Shows: "text"}, {Driver: "png", Error: "disk full"}},
			Clock:    agent.Clock{Synchronized: true, SkewSeconds: -3}, StoreWrites: 4, Version: "v1.2.3",
		}, `
state     linked since 2026-02-27 10:00
account   Jo Example
token     good for 52 min, until 12:52:30
refresh   in 21 min, at 12:21:00
display   terminal /dev/tty1 shows text
display   png: disk full
scopes    profile postal_code
serial    0a1b
clock     synchronized, 3 s ahead of Amazon's
writes    4 to the state directory since the start
version   v1.2.3
`},
		{"authorize URL", agent.Status{
			State: agent.Unlinked, Reason: "removed in the Amazon account", AuthorizeURL: "https://www.amazon.com/ap/oa?client_id=x",
			LastError: &agent.Problem{Code: "network", Message: "api.amazon.com cannot be reached", Hint: "check the network", At: *at(-time.Minute)},
			Clock:     agent.Clock{SkewSeconds: 7200},
		}, `
state     unlinked: removed in the Amazon account
problem   api.amazon.com cannot be reached (since 11:59:00)
cure      check the network
link      https://www.amazon.com/ap/oa?client_id=x
          then hand in the address the browser ends at: lwa-agent link, or lwa-agent code
clock     not synchronized, 2 h behind Amazon's
writes    0 to the state directory since the start
`},
		{"code pair", agent.Status{
			State: agent.Unlinked, Reason: "not linked yet", UserCode: "BEYHYS", VerificationURI: "https://amazon.com/us/code", LinkExpiresAt: at(9 * time.Minute),
		}, `
state     unlinked: not linked yet
link      open https://amazon.com/us/code and enter BEYHYS (good for 9 min)
clock     not synchronized
writes    0 to the state directory since the start
`},
		{"unattended", agent.Status{State: agent.Unlinked, NextLinkAt: at(50 * time.Minute)}, `
state     unlinked
link      the next code comes in 50 min, at 12:50:00; at once with: lwa-agent link
clock     not synchronized
writes    0 to the state directory since the start
`},
		{"nothing to offer", agent.Status{State: agent.Unlinked}, `
state     unlinked
link      none is offered yet; lwa-agent link waits for one
clock     not synchronized
writes    0 to the state directory since the start
`},
		{"linked without a token", agent.Status{State: agent.Linked, Reason: "linked, but there is no valid access token now", ExpiresAt: at(-time.Second), NextRefresh: at(-time.Second)}, `
state     linked: linked, but there is no valid access token now
token     none is valid now
refresh   now
clock     not synchronized
writes    0 to the state directory since the start
`},
	} {
		var b strings.Builder
		if err := writeStatus(&b, test.status, now); err != nil {
			t.Fatal(err)
		}
		if got := "\n" + b.String(); got != test.want {
			t.Errorf("%s: people read\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}
