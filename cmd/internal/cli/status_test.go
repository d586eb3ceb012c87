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
			Handouts: []agent.Handout{
				{UID: 0, User: "root", Unit: "radio.service", Count: 1, At: *at(-time.Minute)},
				{UID: 1000, User: "pi", Count: 12, At: *at(-26 * time.Hour)},
				{UID: 61001, Count: 2, At: *at(-26 * time.Hour)},
				{UID: -1, Count: 7, At: *at(-26 * time.Hour)},
			},
		}, `
state     linked since 2026-02-27 10:00
account   Jo Example
token     good for 52 min, until 12:52:30
refresh   in 21 min, at 12:21:00
display   terminal /dev/tty1 shows text
display   png: disk full
taken     once for the unit radio.service, last at 11:59:00
taken     12 times by user pi, last at 2026-02-28 10:00
taken     2 times by user 61001, last at 2026-02-28 10:00
taken     7 times by others, last at 2026-02-28 10:00
scopes    profile postal_code
serial    0a1b
clock     synchronized, 3 s ahead of Amazon's
writes    4 to the state directory since the start
version   v1.2.3
`},
		{"authorize URL", agent.Status{
			State: agent.Unlinked, Reason: "removed in the Amazon account", AuthorizeURL: "https://www.amazon.com/ap/oa?client_id=x",
			RedirectURI: "https://localhost:9745/authresponse", Inbox: []string{"/var/spool/lwa-agent/"},
			LastError: &agent.Problem{Code: "network", Message: "api.amazon.com cannot be reached", Hint: "check the network", At: *at(-time.Minute)},
			Clock:     agent.Clock{SkewSeconds: 7200},
		}, `
state     unlinked: removed in the Amazon account
problem   api.amazon.com cannot be reached (since 11:59:00)
cure      check the network
link      https://www.amazon.com/ap/oa?client_id=x
way       any browser: bring the address that it ends at to lwa-agent link, lwa-agent code, or a file in /var/spool/lwa-agent/
register  https://localhost:9745/authresponse as an Allowed Return URL (at Amazon: tab "Web settings")
phone     from a phone the address has to be brought by hand; to be spared that, write [link_page] and below it listen = ":9744" into config.toml, or use a client id of "Other devices and platforms"
clock     not synchronized, 2 h behind Amazon's
writes    0 to the state directory since the start
`},
		{"code pair", agent.Status{
			State: agent.Unlinked, Reason: "not linked yet", UserCode: "BEYHYS", VerificationURI: "https://amazon.com/us/code", LinkExpiresAt: at(9 * time.Minute),
		}, `
state     unlinked: not linked yet
link      open https://amazon.com/us/code and enter BEYHYS (good for 9 min)
way       any phone or computer; nothing has to be copied, nor registered at Amazon
clock     not synchronized
writes    0 to the state directory since the start
`},
		{"every way", agent.Status{
			State: agent.Unlinked, AuthorizeURL: "https://www.amazon.com/ap/oa?client_id=x", RedirectURI: "https://localhost:9745/authresponse",
			LinkPage: "HTTP://192.168.1.20:9744/7K2Q", Loopback: &agent.Loopback{Address: "localhost:9745", Fingerprint: "AB:CD"},
		}, `
state     unlinked
link      https://www.amazon.com/ap/oa?client_id=x
link      HTTP://192.168.1.20:9744/7K2Q
way       a phone or computer in this network: open HTTP://192.168.1.20:9744/7K2Q, which says how to go on
way       a browser on your computer: run ssh -L 9745:localhost:9745 pi@192.168.1.20 there, open the address above, and it ends by itself
          (it warns of a certificate, which this device made; SHA-256 AB:CD)
way       any browser: bring the address that it ends at to lwa-agent link, lwa-agent code
register  https://localhost:9745/authresponse as an Allowed Return URL (at Amazon: tab "Web settings")
clock     not synchronized
writes    0 to the state directory since the start
`},
		{"a port that is taken", agent.Status{
			State: agent.Unlinked, AuthorizeURL: "https://www.amazon.com/ap/oa?client_id=x", RedirectURI: "https://localhost:9745/authresponse",
			Loopback: &agent.Loopback{Address: "localhost:9745", Error: "127.0.0.1:9745: address already in use; end what uses that port"},
		}, `
state     unlinked
link      https://www.amazon.com/ap/oa?client_id=x
not open  a browser on your computer, because 127.0.0.1:9745: address already in use; end what uses that port
way       any browser: bring the address that it ends at to lwa-agent link, lwa-agent code
register  https://localhost:9745/authresponse as an Allowed Return URL (at Amazon: tab "Web settings")
phone     from a phone the address has to be brought by hand; to be spared that, write [link_page] and below it listen = ":9744" into config.toml, or use a client id of "Other devices and platforms"
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
		env := func(name string) string {
			return map[string]string{"SSH_CONNECTION": "192.168.1.9 50000 192.168.1.20 22", "SUDO_USER": "pi"}[name]
		}
		if err := writeStatus(&b, test.status, env, now); err != nil {
			t.Fatal(err)
		}
		if got := "\n" + b.String(); got != test.want {
			t.Errorf("%s: people read\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}
