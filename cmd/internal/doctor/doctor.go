// Package doctor looks at a device on which the agent should run and says what is
// well and what is not, with the cause and the cure. It changes nothing: what it
// sends to Amazon spends nothing, what it asks of a panel writes nothing, and the
// one file that it makes, to see whether a drop directory tells of new files, it
// takes away again.
//
// It runs as root, as a member of the agent's group, and as a stranger. What it
// may not look at it says, with the reason, and never takes for well or for
// broken.
package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"lwa-agent/cmd/internal/config"
	"lwa-agent/display/panel"
)

// Level is how a thing is.
type Level string

// From the best to the worst, but for Unseen, which is none of them.
const (
	OK      Level = "ok"
	Unseen  Level = "unseen" // it could not be looked at
	Warning Level = "warning"
	Fault   Level = "fault"
)

// Finding is one line of the report. It is meant to be shown to everybody: it
// holds no secret, no name of a person or of an account, no whole client id.
type Finding struct {
	Check   string `json:"check"`
	Level   Level  `json:"level"`
	Message string `json:"message"`
	Cure    string `json:"cure,omitempty"`
}

// Report is all findings, in the order in which people look for a cause.
type Report struct {
	Level    Level     `json:"level"` // of the worst finding
	Findings []Finding `json:"findings"`
}

// gatherTime is how long is waited for what is asked on the device itself before
// the checks begin.
const gatherTime = 2 * time.Second

// Patience is how long a check may take where nothing else is said. All run at the
// same time. Amazon answers within 2.2 s when it is well, and a Pi Zero needs a
// second for TLS.
const Patience = 5 * time.Second

// Patient is the device, and what may be used to look at it.
type Patient struct {
	ConfigPath string
	Env        config.Env
	Version    string    // of this program
	Built      time.Time // no clock is right that says less; zero: unknown

	// Secrets are the files that may hold systemd's credential of the client
	// secret; the first that can be read is taken. Only for the packaged agent.
	Secrets []string
	// Proxy returns what is asked for a proxy, given the agent's environment.
	Proxy func(environ []string) Proxy
	// Through wraps the transport to Amazon, to record what goes through; nil: nothing does.
	Through  func(http.RoundTripper) http.RoundTripper
	Resolver *net.Resolver
	// Panels is panel.List.
	Panels func() ([]panel.Found, []string)
	// Patience is how long a check may take; see the constant.
	Patience time.Duration
}

// Proxy returns the proxy for a request, as in http.Transport; nil for none.
type Proxy = func(*http.Request) (*url.URL, error)

// check is a part of the examination. It may take as long as it likes, and is
// left behind if it does.
type check struct {
	name string
	look func(context.Context, *facts) []Finding
}

func checks() []check {
	return []check{
		{"config", checkConfig},
		{"agent", checkAgent},
		{"access", checkAccess},
		{"secret", checkSecret},
		{"state", checkState},
		{"disk", checkDisk},
		{"clock", checkClock},
		{"proxy", checkProxy},
		{"dns", checkDNS},
		{"tls", checkTLS},
		{"portal", checkPortal},
		{"amazon", checkAmazon},
		{"register", checkRegister},
		{"inbox", checkInbox},
		{"displays", checkDisplays},
		{"ports", checkPorts},
		{"panels", checkPanels},
		{"units", checkUnits},
		{"sandbox", checkSandbox},
		{"versions", checkVersions},
	}
}

// Examine looks at everything. It takes little more than the patience and 2 s.
func Examine(ctx context.Context, p Patient) Report {
	f := gather(ctx, p)
	ctx, cancel := context.WithTimeout(ctx, p.Patience)
	defer cancel()
	f.call = f.callAmazon(ctx)
	all := checks()
	found := make([][]Finding, len(all))
	var looking sync.WaitGroup
	for i, c := range all {
		looking.Go(func() { found[i] = bounded(ctx, c, f) })
	}
	looking.Wait()
	r := Report{Level: OK, Findings: slices.Concat(found...)}
	hide := f.hider()
	for i, finding := range r.Findings {
		r.Findings[i].Message, r.Findings[i].Cure = hide(finding.Message), hide(finding.Cure)
		if worse(finding.Level, r.Level) {
			r.Level = finding.Level
		}
	}
	return r
}

func worse(a, b Level) bool {
	order := []Level{OK, Unseen, Warning, Fault}
	return slices.Index(order, a) > slices.Index(order, b)
}

// bounded leaves a check behind that does not heed its context: a bus with a
// loose wire, a network file system whose server is gone.
func bounded(ctx context.Context, c check, f *facts) []Finding {
	done := make(chan []Finding, 1)
	go func() { done <- c.look(ctx, f) }()
	var found []Finding
	late := time.NewTimer(f.Patience + time.Second) // who heeds it needs a moment to say why
	defer late.Stop()
	select {
	case found = <-done:
	case <-late.C:
		found = []Finding{{Level: Unseen, Message: fmt.Sprintf("it did not answer within %v", f.Patience), Cure: "try again; a device or a network file system may hang"}}
	}
	for i := range found {
		found[i].Check = c.name
	}
	return found
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Message: fmt.Sprintf(format, args...)}
}

func unseen(cure, format string, args ...any) Finding {
	return Finding{Level: Unseen, Message: fmt.Sprintf(format, args...), Cure: cure}
}

func warn(cure, format string, args ...any) Finding {
	return Finding{Level: Warning, Message: fmt.Sprintf(format, args...), Cure: cure}
}

func fault(cure, format string, args ...any) Finding {
	return Finding{Level: Fault, Message: fmt.Sprintf(format, args...), Cure: cure}
}

// one is the findings of a check that has a single one.
func one(f ...Finding) []Finding { return f }

const asRoot = "to look at it: sudo lwa-agent doctor"
