package linkpage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/sys/unix"

	"lwa-agent/agent"
	"lwa-agent/lwa"
)

// lanDoor is where the local network comes in.
type lanDoor struct {
	cfg      Config
	site     *site
	trouble  agent.Problem // why it is not open
	server   *http.Server  // nil while it is not
	listener net.Listener
	port     string
	host     string           // as people reach it; "" without a network
	cert     *fileCertificate // nil: plain http
}

func newLANDoor(cfg Config, s *site) *lanDoor { return &lanDoor{cfg: cfg, site: s} }

// look opens the door if it is not open, and follows a change of address.
func (d *lanDoor) look() {
	if d.server == nil {
		d.trouble = agent.Problem{}
		if err := d.open(); err != nil {
			d.trouble = agent.Problem{Code: "link_page", Message: "the link page is not there: " + err.Error(), Hint: cureOfListen(err, "listen under [link_page]")}
			return
		}
	}
	d.host = d.reachedAs()
}

func (d *lanDoor) open() error {
	if d.cfg.CertFile != "" {
		d.cert = &fileCertificate{certFile: d.cfg.CertFile, keyFile: d.cfg.KeyFile}
		if _, err := d.cert.get(nil); err != nil {
			return err
		}
	}
	l, err := listen(d.cfg.Listen)
	if err != nil {
		return err
	}
	_, d.port, _ = net.SplitHostPort(l.Addr().String())
	d.server = newServer(d.site.handler(door{mayBeCalled: d.mayBeCalled}))
	d.listener = l
	serve(d.server, l, d.cert.config())
	return nil
}

// listen opens a TCP socket and says what is wrong in few words.
func listen(address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", address)
	if e, is := errors.AsType[*net.OpError](err); is {
		err = fmt.Errorf("%s: %w", address, unwrapped(e.Err))
	}
	return l, err
}

// unwrapped leaves out the name of the system call.
func unwrapped(err error) error {
	if number, is := errors.AsType[unix.Errno](err); is {
		return number
	}
	return err
}

func cureOfListen(err error, setting string) string {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return "end what uses that port, or set another " + setting + "; it is tried again by itself"
	case errors.Is(err, unix.EACCES):
		return "ports below 1024 are for root: set another " + setting
	default:
		return "mend it, or change " + setting + "; it is tried again by itself"
	}
}

// serve answers on l until the server is shut down.
func serve(s *http.Server, l net.Listener, secure *tls.Config) {
	l = limited(l)
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	go func() { _ = s.Serve(l) }() // ends with Shutdown
}

func (d *lanDoor) reachedAs() string {
	if name := d.cert.name(); name != "" {
		return name
	}
	host, _, _ := net.SplitHostPort(d.cfg.Listen)
	if a, err := netip.ParseAddr(host); host != "" && (err != nil || !a.IsUnspecified()) {
		return host
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
	return isLocalName(host) || lwa.IsLoopback(host) || strings.EqualFold(host, d.cert.name()) || d.cert.covers(host)
}

func (d *lanDoor) close() {
	if d.server != nil {
		shutDown(d.server, d.listener)
		d.server = nil
	}
}

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
		d.trouble = err.Error() + "; " + cureOfListen(err, "redirect_uri")
	}
}

func (d *loopbackDoor) open() error {
	var secure *tls.Config
	if d.redirect.Scheme == "https" {
		cert, err := localhostCertificate(d.stateDir)
		if err != nil {
			return err
		}
		d.print = fingerprint(cert)
		secure = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	}
	var open []net.Listener
	for _, address := range d.addresses {
		l, err := listen(address)
		if len(open) > 0 && isWithoutIPv6(err) {
			continue
		}
		if err != nil {
			for _, l := range open {
				l.Close()
			}
			return err
		}
		open = append(open, l)
	}
	d.server = newServer(d.site.handler(door{redirectPath: d.redirect.EscapedPath(), mayBeCalled: lwa.IsLoopback}))
	d.listeners = open
	for _, l := range open {
		serve(d.server, l, secure)
	}
	return nil
}

func isWithoutIPv6(err error) bool {
	return errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)
}

func (d *loopbackDoor) status() *agent.Loopback {
	return &agent.Loopback{Address: d.redirect.Host, Fingerprint: d.print, Error: d.trouble}
}

func (d *loopbackDoor) close() {
	if d.server != nil {
		shutDown(d.server, d.listeners...)
		d.server = nil
	}
}
