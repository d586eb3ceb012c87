package lwa

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// RedirectsToLoopback reports whether the redirect ends on the very machine
// that the browser runs on (RFC 8252 section 7.3).
func (c *Client) RedirectsToLoopback() bool {
	u, err := url.Parse(c.RedirectURI)
	return err == nil && IsLoopback(u.Hostname())
}

// IsLoopback reports whether a host, without its port, is this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// IsLocal reports whether a host, without its port, can only be a machine on a
// local network: a private, link-local or loopback address (RFC 1918, RFC 3927,
// RFC 4193), localhost, or a name of multicast DNS (RFC 6762). A page on the web
// may send a browser there and nowhere else.
func IsLocal(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback()
	}
	return IsLoopback(host) || strings.HasSuffix(strings.ToLower(host), ".local")
}
