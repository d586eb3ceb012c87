package linkpage

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"lwa-agent/agent"
	"lwa-agent/lwa"
)

// lanDoor is where the local network comes in.
type lanDoor struct {
	cfg      Config
	asked    string // address to listen on; "" for all of them
	site     *site
	trouble  agent.Problem // why nobody can come in; zero if they can
	server   *http.Server  // nil while it is not
	listener net.Listener
	port     string
	host     string           // as people reach it; "" without a network
	cert     *fileCertificate // nil: plain http
}

func newLANDoor(cfg Config, s *site) *lanDoor {
	host, _, _ := net.SplitHostPort(cfg.Listen)
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = ""
	}
	return &lanDoor{cfg: cfg, asked: host, site: s}
}

// look opens the door if it is not open, and follows a change of address.
func (d *lanDoor) look() {
	if d.server == nil {
		if err := d.open(); err != nil {
			d.trouble = *err
			return
		}
	}
	d.trouble = agent.Problem{}
	if d.host = d.reachedAs(); d.host == "" {
		d.trouble = trouble("the link page waits for a network", "connect this device to the network that the phone is in")
	}
}

func trouble(message, hint string) agent.Problem {
	return agent.Problem{Code: "link_page", Message: message, Hint: hint}
}

func (d *lanDoor) open() *agent.Problem {
	if d.cfg.CertFile != "" {
		d.cert = &fileCertificate{certFile: d.cfg.CertFile, keyFile: d.cfg.KeyFile}
		if _, err := d.cert.get(nil); err != nil {
			p := trouble("the link page has no certificate: "+err.Error(), "correct cert_file and key_file under [link_page]; it is tried again by itself")
			return &p
		}
	}
	l, err := listen(d.cfg.Listen)
	if err != nil {
		p := trouble("the link page cannot be opened: "+err.Error(), cureOfListen(err, "listen under [link_page]"))
		return &p
	}
	_, d.port, _ = net.SplitHostPort(l.Addr().String())
	d.server = newServer(d.site.handler(entrance{tries: newTries(), mayBeCalled: d.mayBeCalled}))
	d.listener = l
	serve(d.server, l, d.cert.config())
	return nil
}

func (d *lanDoor) reachedAs() string {
	if name := d.cert.name(); name != "" {
		return name
	}
	if d.asked != "" {
		return d.asked
	}
	return lanHost(context.Background())
}

// address is where the page is now, in capitals: a QR code holds them in half
// the room.
func (d *lanDoor) address() string {
	if d.server == nil || d.host == "" {
		return ""
	}
	scheme, usual := "http", "80"
	if d.cert != nil {
		scheme, usual = "https", "443"
	}
	host := d.host
	switch {
	case d.port != usual:
		host = net.JoinHostPort(host, d.port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return strings.ToUpper(scheme + "://" + host + "/" + d.site.currentToken())
}

// mayBeCalled reports whether a browser that reached us means us: a page of a
// stranger's must not reach the device by giving its own name our address
// (DNS rebinding).
func (d *lanDoor) mayBeCalled(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return isLocalName(host) || lwa.IsLoopback(host) || d.cert.covers(host)
}

func (d *lanDoor) close() {
	if d.server != nil {
		shutDown(d.server, d.listener)
		d.server = nil
	}
}
