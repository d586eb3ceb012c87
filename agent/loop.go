package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// stopPatience is how long a call in flight may hold up the end: its answer
// may be the only copy of a new refresh token.
const stopPatience = 5 * time.Second

// Run works until ctx is done, or nobody can reach it any more.
func (a *Agent) Run(ctx context.Context) error {
	a.watchInbox(ctx)
	// What a killed agent left in token files may be of a link that is gone. It is
	// the first event, and Amazon is asked nothing before it: New may yet fail.
	a.handle(a.keepAccess(a.m.access))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-timer.C:
			if err := a.tick(); err != nil {
				return errors.Join(err, a.end())
			}
		case ev := <-a.events:
			a.handle(ev)
		case q := <-a.asked:
			a.questions++
			a.waiting[a.questions] = q.reply
			a.handle(q.event(a.questions))
		case r := <-a.inboxReports():
			a.inboxReported(r)
		case <-a.cfg.NetworkChanged:
			a.handle(networkChanged{})
		case <-a.cfg.ClockSet:
			a.handle(clockSet{clockSynchronized(), bootTime(a.cfg.Uptime())})
			a.followClock()
		case job := <-a.jobs:
			job()
		}
		a.publish()
		timer.Reset(a.m.deadline() - a.cfg.Uptime())
	}
	return a.end()
}

// end finishes what must not be lost.
func (a *Agent) end() error {
	a.finishCall()
	a.steady()
	close(a.ended) // lets go of everybody who waits, or the sockets could not close
	return a.close()
}

// tick is what is done now and then. An error ends the agent: nobody can reach
// it any more, and systemd starts another.
func (a *Agent) tick() error {
	a.handle(ticked{synchronized: clockSynchronized(), epoch: bootTime(a.cfg.Uptime()), disk: a.lookAtDisk()})
	a.settleAgain()
	if a.inbox != nil {
		a.inbox.rescan()
	}
	if a.cfg.RuntimeDir != "" {
		if _, err := os.Lstat(filepath.Join(a.cfg.RuntimeDir, agentSockName)); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s was removed, so no program can reach this agent; start it again", filepath.Join(a.cfg.RuntimeDir, agentSockName))
		}
	}
	if a.cfg.Uptime()-a.started > steadyAfter {
		a.steady()
	}
	a.followClock()
	a.lookForUnknown()
	if a.inboxMoves() && a.cfg.Alive != nil {
		a.cfg.Alive()
	}
	return nil
}

// inboxMoves reports whether the inbox has done anything since the last tick,
// which asked it to. The loop itself, its clock and the disk below the store
// have moved when a tick comes; the inbox may hang in a file system of its own.
// The first tick does not ask: the agent is ready, and the inbox just starts.
func (a *Agent) inboxMoves() bool {
	if a.inbox == nil {
		return true
	}
	before, first := a.turns, a.looked != a.inbox
	a.turns, a.looked = a.inbox.turns.Load(), a.inbox
	return first || a.turns != before
}

// handle gives an event to the machine and carries out what it wants. The
// outcome of a save goes in before anything else can.
func (a *Agent) handle(ev event) {
	if ans, is := ev.(answered); is {
		delete(a.calls, ans.call)
	}
	for _, e := range a.m.step(a.cfg.Uptime(), ev) {
		if outcome := a.execute(e); outcome != nil {
			a.handle(outcome)
		}
	}
	if _, is := ev.(answered); is {
		a.steady()
	}
}

// finishCall waits for an answer that may hold the only copy of a token.
func (a *Agent) finishCall() {
	a.handle(stopping{})
	patience := time.After(stopPatience)
	for a.m.inCall.id != 0 {
		if kind := a.m.inCall.kind; kind == callProfile || kind == callMake {
			return
		}
		select {
		case ev := <-a.events:
			if ev, is := ev.(answered); is {
				a.handle(ev)
			}
		case <-patience:
			return
		}
	}
}

func (a *Agent) close() error {
	if a.stopInbox != nil {
		a.stopInbox()
	}
	for _, stop := range a.calls {
		stop()
	}
	if a.tokenSock != nil {
		a.tokenSock.close()
	}
	for _, s := range a.servers {
		s.close()
	}
	if a.runtimeLock != nil { // the last: once it is free, another agent may make sockets of these names
		a.runtimeLock.Close()
	}
	return a.store.close()
}

func (a *Agent) watchInbox(ctx context.Context) {
	if a.stopInbox != nil {
		a.stopInbox()
	}
	a.inbox, a.stopInbox = nil, nil
	if len(a.cfg.Inbox) == 0 {
		return
	}
	ctx, a.stopInbox = context.WithCancel(ctx)
	a.inbox = newInbox(a.cfg.Inbox, a.disk, a.cfg.Log)
	go a.inbox.run(ctx)
}

func (a *Agent) inboxReports() <-chan inboxReport {
	if a.inbox == nil {
		return nil
	}
	return a.inbox.reports()
}

func (a *Agent) inboxReported(r inboxReport) {
	checked := inboxChecked{offers: r.Offers, trouble: r.Trouble}
	if len(r.Refusals) > 0 {
		checked.refused = r.Refusals[0]
		if more := len(r.Refusals) - 1; more > 0 {
			checked.refused.Message += fmt.Sprintf(" (and %d more like it)", more)
		}
	}
	a.handle(checked)
}
