package linkpage

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sys/unix"

	"lwa-agent/agent"
	"lwa-agent/lwa"
)

// loopbackDoor is where a redirect to localhost comes in: from a browser on
// this device, or through "ssh -L" from one elsewhere.
type loopbackDoor struct {
	redirect  *url.URL
	addresses []string // to listen on
	stateDir  string
	site      *site
	server    *http.Server // nil while it is not open
	listeners []net.Listener
	print     string // fingerprint of the certificate
	trouble   string
}

// newLoopbackDoor returns nil where the redirect does not come to this device,
// or names no port.
func newLoopbackDoor(cfg Config, s *site) *loopbackDoor {
	u, err := url.Parse(cfg.RedirectURI)
	if err != nil || !lwa.IsLoopback(u.Hostname()) || u.Port() == "" {
		return nil
	}
	hosts := []string{u.Hostname()}
	if strings.EqualFold(u.Hostname(), "localhost") {
		hosts = []string{"127.0.0.1", "::1"}
	}
	d := &loopbackDoor{redirect: u, stateDir: cfg.StateDir, site: s}
	for _, host := range hosts {
		d.addresses = append(d.addresses, net.JoinHostPort(host, u.Port()))
	}
	return d
}

func (d *loopbackDoor) look() {
	if d.server != nil {
		return
	}
	d.trouble = ""
	if err := d.open(); err != nil {
		d.trouble = err.Error() + "; " + cureOfListen(err, "redirect_uri, and register the same at Amazon")
	}
}

func (d *loopbackDoor) open() error {
	open, err := listenAll(d.addresses)
	if err != nil {
		return err
	}
	var secure *tls.Config
	if d.redirect.Scheme == "https" {
		cert, err := localhostCertificate(d.stateDir)
		if err != nil {
			closeAll(open)
			return err
		}
		d.print = fingerprint(cert)
		secure = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	}
	d.server = newServer(d.site.handler(entrance{tries: newTries(), redirectPath: d.redirect.EscapedPath(), mayBeCalled: lwa.IsLoopback}))
	d.listeners = open
	for _, l := range open {
		serve(d.server, l, secure)
	}
	return nil
}

// listenAll listens on all addresses, or on none; where there is no IPv6, on
// those that are left.
func listenAll(addresses []string) (open []net.Listener, err error) {
	for _, address := range addresses {
		l, err := listen(address)
		if len(open) > 0 && isWithoutIPv6(err) {
			continue
		}
		if err != nil {
			closeAll(open)
			return nil, err
		}
		open = append(open, l)
	}
	return open, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

func isWithoutIPv6(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)
}

func (d *loopbackDoor) status() agent.Loopback {
	return agent.Loopback{Address: d.redirect.Host, Fingerprint: d.print, Error: d.trouble}
}

func (d *loopbackDoor) close() {
	if d.server != nil {
		shutDown(d.server, d.listeners...)
		d.server = nil
	}
}
