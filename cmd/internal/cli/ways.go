package cli

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"strings"

	"lwa-agent/agent"
	"lwa-agent/display"
)

// forAPhone is what lets linking end on the phone that signed in.
const forAPhone = `from a phone the address has to be brought by hand; to be spared that, write [link_page] and below it listen = ":9744" into config.toml, or use a client id of "Other devices and platforms"`

// ways are the ways to link that are open with the configuration in use, what
// each needs, and, where none of them ends on a phone, the setting that would:
// pairs of a label and a text, as status shows them.
func ways(st agent.Status, env func(string) string) [][2]string {
	var all [][2]string
	add := func(label, format string, args ...any) {
		all = append(all, [2]string{label, fmt.Sprintf(format, args...)})
	}
	switch {
	case st.UserCode != "":
		add("way", "any phone or computer; nothing has to be copied, nor registered at Amazon")
		return all
	case st.AuthorizeURL == "":
		return nil
	}
	if st.ComesBack {
		add("way", "a phone or computer in this network: open the first address; you are brought back to the device")
	}
	if st.LinkPage != "" {
		add("way", "a phone or computer in this network: open %s, which says how to go on", st.LinkPage)
	}
	if l := st.Loopback; l != nil && l.Error == "" {
		add("way", "a browser on your computer: run %s there, open the address above, and it ends by itself", sshCommand(l, env))
		if l.Fingerprint != "" {
			add("", "(it warns of a certificate, which this device made; SHA-256 %s)", l.Fingerprint)
		}
	} else if l != nil {
		add("not open", "a browser on your computer, because %s", l.Error)
	}
	add("way", "any browser: bring the address that it ends at to lwa-agent link, lwa-agent code%s", orInbox(st))
	add("register", "%s as an Allowed Return URL (at Amazon: tab \"Web settings\")", st.RedirectURI)
	if !hasLinkPage(st) {
		add("phone", "%s", forAPhone)
	}
	return all
}

// hasLinkPage reports whether the link page is turned on, if not open.
func hasLinkPage(st agent.Status) bool {
	return st.LinkPage != "" || st.LastError != nil && st.LastError.Code == "link_page"
}

func orInbox(st agent.Status) string {
	if len(st.Inbox) == 0 {
		return ""
	}
	return ", or a file in " + st.Inbox[0]
}

// sshCommand brings the listener on this device to the computer of the person
// who reads it.
func sshCommand(l *agent.Loopback, env func(string) string) string {
	_, port, _ := net.SplitHostPort(l.Address)
	host, err := os.Hostname()
	if session := strings.Fields(env("SSH_CONNECTION")); len(session) == 4 { // client, its port, this device, its port
		host = session[2]
	} else if err != nil {
		host = "DEVICE"
	}
	name := env("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	return fmt.Sprintf("ssh -L %s:%s %s@%s", port, l.Address, name, host)
}

// otherWays is what lwa-agent link says above the way that its QR code is for.
func otherWays(st agent.Status, env func(string) string) []display.Screen {
	var all []display.Screen
	if st.AuthorizeURL == "" {
		return nil
	}
	if l := st.Loopback; l != nil && l.Error == "" {
		s := display.Screen{
			Kind:    display.Working,
			Open:    "Without a paste: run this on your computer, open the address below there:",
			Address: sshCommand(l, env),
		}
		if l.Fingerprint != "" {
			s.Lines = more("The browser warns, as it should: the certificate is this device's own, SHA-256 " + l.Fingerprint)
		}
		all = append(all, s)
	}
	if !hasLinkPage(st) {
		all = append(all, display.Screen{Kind: display.Working, Lines: more(sentence(forAPhone))})
	} else if st.LinkPage != "" {
		all = append(all, display.Screen{
			Kind: display.Working, Open: "Or open this, and paste the address that the browser ends at:", Address: st.AuthorizeURL,
		})
	}
	return all
}
