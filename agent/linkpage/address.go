package linkpage

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// lanHost is how a phone in the local network reaches this device: by the IPv4
// address that its default route leaves from, else by the .local name that it
// announces, else by IPv6. "" when there is no network.
func lanHost(ctx context.Context) string {
	if a, ok := ipv4(ctx); ok {
		return a.String()
	}
	a, ok := sourceOf(ctx, "udp6", "[2001:db8::1]:9") // an address of nobody's (RFC 3849)
	if !ok {
		return ""
	}
	if name := localName(ctx, avahiSocket, a); name != "" {
		return name
	}
	return a.String()
}

func ipv4(ctx context.Context) (netip.Addr, bool) {
	if a, ok := sourceOf(ctx, "udp4", "192.0.2.1:9"); ok { // an address of nobody's (RFC 5737)
		return a, true
	}
	// Without a default route there may still be a local network.
	addresses, _ := net.InterfaceAddrs()
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if a := prefix.Addr(); err == nil && a.Is4() && !a.IsLoopback() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// sourceOf asks the kernel which of our addresses a packet to target would
// leave from. None is sent: connect(2) on a datagram socket only looks up the
// route.
func sourceOf(ctx context.Context, network, target string) (netip.Addr, bool) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, target)
	if err != nil {
		return netip.Addr{}, false
	}
	defer c.Close()
	a := hostOf(c.LocalAddr().String())
	return a, a.IsValid() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

// avahiSocket is where avahi-daemon answers questions in a line of text.
const avahiSocket = "/run/avahi-daemon/socket"

// localName asks avahi-daemon under which name it announces an address.
func localName(ctx context.Context, socket string, address netip.Addr) string {
	ctx, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return ""
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	fmt.Fprintf(c, "RESOLVE-ADDRESS %s\n", address)
	answer := bufio.NewScanner(c)
	if !answer.Scan() {
		return ""
	}
	fields := strings.Fields(answer.Text()) // "+ 2 1 radio.local": interface, protocol, name
	if len(fields) != 4 || fields[0] != "+" || !isLocalName(fields[3]) {
		return ""
	}
	return fields[3]
}

// isLocalName reports whether a host is a name of multicast DNS (RFC 6762).
func isLocalName(host string) bool {
	name, isLocal := strings.CutSuffix(strings.ToLower(host), ".local")
	return isLocal && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}
