// Package linkpage lets a browser finish linking a device: by a small page on
// the local network, whose address fits a small QR code, and by a listener on
// this device for a redirect to localhost.
//
// Both are there only while a link is offered, and for a minute after that.
// Neither promises secrecy on the local network: what crosses it is a code that
// is good for nothing without this device's own verifier (RFC 7636).
package linkpage

import (
	"context"
	"log/slog"
	"time"

	"lwa-agent/agent"
)

const (
	// lookEvery is how often the address is looked up and a listener that
	// failed is tried again, while a link is offered.
	lookEvery = 5 * time.Second
	// farewell is how long the page goes on to say that the device is linked.
	farewell = time.Minute
)

// Config is what the two listeners are made from.
type Config struct {
	Listen      string // "host:port" of the link page, the host mostly empty; empty: no link page
	CertFile    string // with KeyFile: the page is served with TLS under the certificate's name
	KeyFile     string
	RedirectURI string // to localhost with a port: that is listened on
	StateDir    string // keeps the certificate for localhost
}

// Page is both listeners. One goroutine, Run's, owns them.
type Page struct {
	agent   *agent.Agent
	cfg     Config
	configs chan Config
	log     *slog.Logger

	site     *site
	lan      *lanDoor
	loopback *loopbackDoor
	until    time.Time   // when they close after the offer has ended
	said     agent.Doors // what the agent was told last
}

// New makes the listeners; Run opens them when there is something to link.
func New(a *agent.Agent, cfg Config, log *slog.Logger) *Page {
	return &Page{agent: a, cfg: cfg, configs: make(chan Config), log: log, site: newSite(a)}
}

// Reconfigure takes a changed configuration over.
func (p *Page) Reconfigure(ctx context.Context, cfg Config) {
	select {
	case p.configs <- cfg:
	case <-ctx.Done():
	}
}

// Run opens and closes the listeners as links are offered, until ctx ends.
func (p *Page) Run(ctx context.Context) {
	statuses := make(chan agent.Status)
	go func() {
		p.agent.Statuses(ctx, func(st agent.Status) bool {
			select {
			case statuses <- st:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer p.close()
	for {
		select {
		case <-ctx.Done():
			return
		case cfg := <-p.configs:
			if cfg != p.cfg {
				p.close()
				p.cfg = cfg
			}
		case st := <-statuses:
			p.take(st, time.Now())
		case <-timer.C:
		}
		wanted := p.wanted(time.Now())
		p.keep(wanted)
		p.tell()
		if wanted {
			timer.Reset(lookEvery)
		}
	}
}

func (p *Page) take(st agent.Status, now time.Time) {
	if p.site.show(st) {
		p.until = now.Add(farewell)
	}
}

func (p *Page) wanted(now time.Time) bool { return p.site.offers() || now.Before(p.until) }

// keep opens what is wanted and not open, and closes what is not wanted.
func (p *Page) keep(wanted bool) {
	if !wanted {
		p.close()
		return
	}
	if p.cfg.Listen != "" && p.lan == nil {
		p.lan = newLANDoor(p.cfg, p.site)
	}
	if p.lan != nil {
		p.lan.look()
	}
	if p.loopback == nil && p.site.needsRedirect() {
		p.loopback = newLoopbackDoor(p.cfg, p.site) // nil where the redirect goes elsewhere
	}
	if p.loopback != nil && p.site.offersPair() { // the method was changed
		p.loopback.close()
		p.loopback = nil
	}
	if p.loopback != nil {
		p.loopback.look()
	}
}

func (p *Page) close() {
	if p.lan != nil {
		p.lan.close()
		p.lan = nil
	}
	if p.loopback != nil {
		p.loopback.close()
		p.loopback = nil
	}
}

// tell says in the status where the listeners are, when that is news.
func (p *Page) tell() {
	var now agent.Doors
	if p.lan != nil {
		now.LinkPage, now.Trouble = p.lan.address(), p.lan.trouble
	}
	if p.loopback != nil {
		now.Loopback = p.loopback.status()
	}
	if now == p.said {
		return
	}
	if l := now.Loopback; l.Error != "" && l != p.said.Loopback {
		p.log.Warn("no listener for the redirect", "address", l.Address, "error", l.Error)
	}
	p.said = now
	p.agent.DoorsChanged(now)
}
