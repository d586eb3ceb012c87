package lwa

import (
	"net"
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
