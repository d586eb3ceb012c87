package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"
)

// view is what the loop has told the world; it never changes.
type view struct {
	status   Status
	json     []byte // of status, on a line
	access   access
	reported bool // access is known to be bad
	tally    refreshTally
	codes    [sources]string // of the problems that are not mended
	next     chan struct{}   // closed when there is a newer view
}

// question is an event that wants a reply.
type question struct {
	event func(id uint64) event
	reply chan<- replied // buffered
}

// replied is a reply on its way, with the access token of that moment.
type replied struct {
	outcome outcome
	problem Problem
	wait    time.Duration
	access  access
}

// publish makes the new view known if anything in it is new.
func (a *Agent) publish() {
	v := &view{status: a.m.status(), access: a.m.access, reported: a.m.reported, tally: a.m.tally, next: make(chan struct{})}
	v.status.Version = a.cfg.Version
	for source, p := range a.m.problems {
		v.codes[source] = p.Code
	}
	v.status.Warnings = append(v.status.Warnings, a.storeWarnings()...)
	v.status.StoreKey = a.store.keyInUse()
	for _, w := range []Warning{a.accessNotice(), a.cardNotice()} {
		if w != (Warning{}) {
			v.status.Warnings = append(v.status.Warnings, w)
		}
	}
	v.status.Displays = a.allDisplays()
	if v.status.AuthorizeURL != "" {
		v.status.Inbox = a.cfg.Inbox
	}
	old := a.view.Load()
	if old != nil && old.status.equal(v.status) {
		v.json = old.json // of most ticks: to write it anew takes longer than all else that they do
	} else {
		v.json = line(v.status)
	}
	if old != nil && bytes.Equal(old.json, v.json) && old.access == v.access && old.reported == v.reported && old.tally == v.tally && old.codes == v.codes {
		return
	}
	a.view.Store(v)
	a.logState(old, v)
	if a.cfg.RuntimeDir != "" {
		a.keepTokenSocket(v.status.State == Linked)
	}
	if old != nil {
		close(old.next)
	}
}

// logState tells the log each change of state once, and the state at the start.
// The reason stands in the log because people search there; who is linked to which
// account does not.
func (a *Agent) logState(old, v *view) {
	was := ""
	if old != nil {
		was = old.status.State
	}
	if v.status.State != was {
		a.log(slog.LevelInfo, v.status.State, "state", v.status.State, "was", was, "method", v.status.Method, "reason", v.status.Reason)
	}
}

func (a *Agent) allDisplays() []Display {
	var all []Display
	for _, conn := range slices.Sorted(maps.Keys(a.displays)) {
		all = append(all, a.displays[conn]...)
	}
	return all
}

// Statuses calls yield with the status and then with each newer one, until
// ctx is done, the agent has ended or yield returns false. A slow yield
// misses statuses, never the last one.
func (a *Agent) Statuses(ctx context.Context, yield func(Status) bool) {
	a.views(ctx, func(v *view) bool { return yield(v.status) })
}

func (a *Agent) views(ctx context.Context, yield func(*view) bool) {
	for {
		v := a.view.Load()
		if !yield(v) {
			return
		}
		select {
		case <-v.next:
		case <-ctx.Done():
			return
		case <-a.ended:
			return
		}
	}
}

// ask sends a question to the loop and waits for the reply.
func (a *Agent) ask(ctx context.Context, ev func(id uint64) event) (replied, error) {
	reply := make(chan replied, 1)
	select {
	case a.asked <- question{ev, reply}:
	case <-a.ended:
		return replied{}, errEnded
	case <-ctx.Done():
		return replied{}, ctx.Err()
	}
	select {
	case r := <-reply:
		return r, nil
	case <-a.ended:
		return replied{}, errEnded
	case <-ctx.Done():
		return replied{}, ctx.Err()
	}
}

var errEnded = errors.New("the agent is stopping")

// tell sends an event that wants no reply.
func (a *Agent) tell(ev event) {
	select {
	case a.events <- ev:
	case <-a.ended:
	}
}
