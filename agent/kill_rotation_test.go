package agent

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// killedWhileRotating has the agent refresh, which brings a new refresh token,
// and kills within that.
func killedWhileRotating(t *testing.T, seed uint64) string {
	p, first := newLinkedProcess(t, seed, lwatest.Options{Rotate: true})
	rotated := 0
	for round := range 2 {
		p.Boot = fmt.Sprint("boot ", round) // so that it refreshes at once
		p.begin()
		p.killWithin(15 * time.Millisecond)
		if p.keptRefresh(t) != first.Hash() {
			rotated++
		}
	}
	p.Boot = "boot-after"
	p.begin()
	p.wantGoodToken("after two kills")
	return fmt.Sprint(rotated, " of 2 saved")
}

// terminatedWhileRotating does the same by SIGTERM, with a server that takes no
// old token for a moment. An answer under way must be saved.
func terminatedWhileRotating(t *testing.T, seed uint64) string {
	p, given := newLinkedProcess(t, seed, lwatest.Options{RotateAtOnce: true})
	rotated, last := 0, given.Hash()
	for round := range 2 {
		p.Boot = fmt.Sprint("boot ", round)
		p.begin()
		after := p.terminateWithin(15 * time.Millisecond)
		for _, r := range p.sim.Requests() {
			if r.Kind == lwatest.Refresh && r.Refresh != "" {
				last = r.Refresh
			}
		}
		if got := p.keptRefresh(t); got != last {
			t.Fatalf("ended by SIGTERM %v after its start, the agent did not save what Amazon had given it: the link is lost", after)
		}
		if last != given.Hash() {
			rotated++
		}
	}
	p.Boot = "boot-after"
	p.begin()
	p.wantGoodToken("after two ends")
	return fmt.Sprint(rotated, " of 2 saved")
}

// newLinkedProcess has a link on its disk and is not begun.
func newLinkedProcess(t *testing.T, seed uint64, o lwatest.Options) (*process, lwa.Secret) {
	t.Helper()
	p := newProcess(t, MethodCode, seed, o)
	client := lwa.Client{ID: lwatest.MobileClientID, Scopes: []string{"profile"}, RedirectURI: lwatest.ReturnURL, Endpoints: loopback(p.Server), Transport: lwa.NewTransport()}
	attempt := lwa.NewAttempt(lwatest.ReturnURL)
	back, err := p.sim.Allow(client.AuthorizeURL(attempt))
	must(t, err)
	drop, err := lwa.ParseDrop([]byte(back))
	must(t, err)
	first, err := client.Exchange(t.Context(), drop.Code, attempt)
	must(t, err)
	d := stateDir{t, p.State}
	d.save(record{Link: link{ClientID: client.ID, TokenEndpoint: client.Endpoints.Token, Refresh: first.Refresh, Scopes: "profile", Account: "Jo Example", Since: time.Now()}})
	p.slowly()
	return p, first.Refresh
}

// keptRefresh is the hash of the refresh token on the disk.
func (p *process) keptRefresh(t *testing.T) string {
	t.Helper()
	p.checkDisk()
	r, err := stateDir{t, p.State}.load()
	if err != nil || r.Link.isZero() || r.Link.Revoked {
		t.Fatalf("the disk holds %+v, %v; want the link", r.Link, err)
	}
	return r.Link.Refresh.Hash()
}

// terminateWithin is SIGTERM at a random moment of the time to come.
func (p *process) terminateWithin(most time.Duration) (after time.Duration) {
	p.t.Helper()
	after = time.Duration(p.killer.Int64N(int64(most)))
	<-time.After(after)
	must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the agent ended by SIGTERM with %v", err)
	}
	p.cmd = nil
	return after
}
