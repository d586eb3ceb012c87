package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"lwa-agent/lwa"
)

// hosts are the machines that the agent itself calls, with their ports.
func (f *facts) hosts() (all []*url.URL) {
	e := f.cfg.Endpoints
	for _, address := range []string{e.Token, e.CodePair, e.Profile} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || slices.ContainsFunc(all, func(o *url.URL) bool { return o.Host == u.Host }) {
			continue
		}
		all = append(all, u)
	}
	return all
}

// proxyTo returns the proxy that the agent uses to reach u; nil for none.
func (f *facts) proxyTo(u *url.URL) (*url.URL, error) {
	return f.proxy(&http.Request{URL: u})
}

func checkDNS(ctx context.Context, f *facts) []Finding {
	if f.configErr != nil {
		return nil
	}
	var all []Finding
	var found []string
	for _, u := range f.hosts() {
		host := u.Hostname()
		if p, _ := f.proxyTo(u); p != nil {
			return one(ok("names are looked up by the proxy"))
		}
		if _, err := netip.ParseAddr(host); err == nil || lwa.IsLoopback(host) {
			continue
		}
		addresses, err := f.Resolver.LookupNetIP(ctx, "ip", host)
		if finding := lookedUp(host, addresses, err); finding.Level != OK {
			all = append(all, finding)
			continue
		}
		found = append(found, host)
	}
	switch {
	case len(all) > 0:
		return all
	case len(found) == 0:
		return one(ok("nothing has to be looked up"))
	}
	return one(ok("finds %s", strings.Join(found, ", ")))
}

func lookedUp(host string, addresses []netip.Addr, err error) Finding {
	if dns, is := errors.AsType[*net.DNSError](err); is {
		switch {
		case dns.IsNotFound:
			return fault("check the network; a filter of names (Pi-hole, a router's) may hide it", "there is no %s, says the name server", host)
		case dns.IsTimeout:
			return fault("check the network, and the name servers in /etc/resolv.conf", "no name server answers")
		}
	}
	if err != nil {
		return fault("check the network, and the name servers in /etc/resolv.conf", "%s cannot be looked up", host)
	}
	for _, a := range addresses {
		if a.IsUnspecified() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() {
			return fault("allow "+host+" in the filter of names, or sign in to this network", "%s is said to be at %s, which is not Amazon", host, a.Unmap())
		}
	}
	return ok("%s", host)
}

func checkTLS(ctx context.Context, f *facts) []Finding {
	c := f.call()
	token, err := url.Parse(f.cfg.Endpoints.Token)
	switch {
	case !c.made || err != nil:
		return nil
	case token.Scheme == "http":
		return one(ok("not used: the server is on this device"))
	case c.refused != nil && (c.refused.Code == "clock" || c.refused.Code == "tls"):
		return one(fault(cureOfTLS(c.refused), "%s", c.refused.Message))
	case c.tls == nil:
		return one(unseen("see the lines on dns and amazon", "there was no answer to judge"))
	}
	ends := c.tls.PeerCertificates[0].NotAfter
	return append(f.otherHosts(ctx, token), ok("%s proved who it is (%s, certificate until %s)",
		token.Host, tls.VersionName(c.tls.Version), ends.UTC().Format(time.DateOnly)))
}

func cureOfTLS(e *lwa.Error) string {
	if e.Code == "clock" {
		return "set the clock: sudo timedatectl set-ntp true"
	}
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil && os.Getenv("SSL_CERT_FILE") == "" {
		return "sudo apt install ca-certificates"
	}
	return "something between the device and Amazon answers in its place: sign in to this network, or ask who runs its firewall"
}

// otherHosts shakes hands with those that no question was asked.
func (f *facts) otherHosts(ctx context.Context, asked *url.URL) (all []Finding) {
	for _, u := range f.hosts() {
		if p, _ := f.proxyTo(u); p != nil || u.Host == asked.Host || u.Scheme != "https" {
			continue
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, (&url.URL{Scheme: "https", Host: u.Host, Path: "/"}).String(), nil)
		if err != nil {
			continue
		}
		resp, err := lwa.NewTransport().RoundTrip(req)
		if err != nil {
			all = append(all, fault("see the lines on dns, clock and proxy", "%s could not be reached, or did not prove who it is", u.Host))
			continue
		}
		resp.Body.Close()
	}
	return all
}

// checkPortal asks Amazon's host for its plain page, which leads to https; the
// sign-in page of a network answers in its place. No other host is asked.
func checkPortal(ctx context.Context, f *facts) []Finding {
	token, err := url.Parse(f.cfg.Endpoints.Token)
	if f.configErr != nil || err != nil || token.Scheme != "https" {
		return nil
	}
	if p, _ := f.proxyTo(token); p != nil {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, (&url.URL{Scheme: "http", Host: token.Hostname(), Path: "/"}).String(), nil)
	if err != nil {
		return nil
	}
	t := lwa.NewTransport()
	t.Proxy = nil
	resp, err := t.RoundTrip(req)
	if err != nil {
		if c := f.call(); c.tls != nil {
			return one(ok("none: Amazon itself answers"))
		}
		return one(unseen("see the lines on dns and amazon", "nothing answers on port 80 of %s", token.Hostname()))
	}
	defer resp.Body.Close()
	return one(portal(token.Hostname(), resp))
}

func portal(host string, resp *http.Response) Finding {
	const cure = "sign in to this network, from a phone or computer in it; or let the device through by its MAC address"
	to, err := resp.Location()
	switch {
	case err == nil && sameSite(to.Hostname(), host):
		return ok("none: %s leads to its own https", host)
	case err == nil:
		return fault(cure, "this network has a sign-in page: %s is answered by %s", host, to.Hostname())
	case resp.StatusCode == http.StatusOK && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"), resp.StatusCode == http.StatusNetworkAuthenticationRequired:
		return fault(cure, "this network has a sign-in page: it answers in place of %s", host)
	}
	return ok("none is seen")
}

// sameSite reports whether both are of one owner: their last two labels are the
// same, or three where the last but one is as in co.uk.
func sameSite(a, b string) bool {
	site := func(host string) string {
		labels := strings.Split(strings.ToLower(host), ".")
		n := 2
		if len(labels) > 2 && len(labels[len(labels)-2]) <= 3 {
			n = 3
		}
		return strings.Join(labels[max(len(labels)-n, 0):], ".")
	}
	return site(a) == site(b)
}
