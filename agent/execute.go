package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
)

// execute carries an effect out. It blocks for the disk and for nothing else;
// an event it returns must go in at once.
func (a *Agent) execute(e effect) event {
	switch e := e.(type) {
	case save:
		return a.save(e)
	case exchange:
		a.call(e.call, func(ctx context.Context, c *lwa.Client, ans *answered) (err error) {
			ans.token, err = c.Exchange(ctx, e.code, e.attempt)
			return err
		})
	case refresh:
		a.call(e.call, func(ctx context.Context, c *lwa.Client, ans *answered) (err error) {
			ans.token, err = c.Refresh(ctx, e.token)
			return err
		})
	case createPair:
		a.call(e.call, func(ctx context.Context, c *lwa.Client, ans *answered) (err error) {
			ans.pair, err = c.CodePair(ctx)
			return err
		})
	case poll:
		a.call(e.call, func(ctx context.Context, c *lwa.Client, ans *answered) (err error) {
			ans.token, err = c.Poll(ctx, e.pair)
			return err
		})
	case profile:
		a.call(e.call, func(ctx context.Context, c *lwa.Client, ans *answered) (err error) {
			ans.account, err = c.Profile(ctx, e.token)
			return err
		})
	case cancel:
		if stop := a.calls[e.call]; stop != nil {
			stop()
		}
	case reply:
		a.reply(e)
	case take:
		return a.take(e)
	case keepAccess:
		return a.keepAccess(e.access)
	case note:
		a.log(slog.LevelInfo, e.message, "detail", e.detail)
	case warning:
		a.log(slog.LevelWarn, e.problem.Message, "code", e.problem.Code, "hint", e.problem.Hint)
	}
	return nil
}

// save puts a record on the disk. Without a serial number only a link is saved:
// an offer made without it would make a second device of this one.
func (a *Agent) save(e save) event {
	a.unwritable = false // the outcome tells more
	err := a.keepSerial()
	if holdsLink := !e.record.Link.isZero() || !e.record.Candidate.isZero(); err != nil && holdsLink {
		a.cfg.Log.Warn("no serial number", "error", err)
		err = nil
	}
	if err == nil && e.ahead {
		err = a.store.writable()
	}
	if err == nil && e.serial != "" {
		err = a.renumber(e.serial)
	}
	switch {
	case err != nil:
	case e.forget:
		err = a.store.forget(e.record)
	default:
		err = a.store.save(e.record)
	}
	if err != nil {
		return saved{problem: err.Error(), hint: a.cureOfStore(err), writes: a.store.writes}
	}
	return saved{writes: a.store.writes}
}

// renumber keeps another serial number than the one that was made: Amazon knows
// the device by it.
func (a *Agent) renumber(serial string) error {
	if serial == a.serial {
		return nil
	}
	if err := a.store.renumber(serial); err != nil {
		return err
	}
	a.serial = serial
	if a.cfg.Client.SerialNumber == "" {
		a.client.SerialNumber = serial
	}
	return nil
}

// call makes one call to Amazon in a goroutine of its own.
func (a *Agent) call(id uint64, ask func(context.Context, *lwa.Client, *answered) error) {
	ctx, stop := context.WithCancel(context.Background()) // the end waits for some calls, so not Run's
	a.calls[id] = stop
	client := *a.client
	ans := answered{call: id, sent: a.cfg.Uptime()}
	go func() {
		defer stop()
		err := ask(ctx, &client, &ans)
		ans.date = ans.token.Date
		if ans.date.IsZero() {
			ans.date = ans.pair.Date
		}
		if err != nil {
			ans.err = asError(err)
			ans.date = ans.err.Date
		}
		a.tell(ans)
	}()
}

func asError(err error) *lwa.Error {
	if e, is := errors.AsType[*lwa.Error](err); is {
		return e
	}
	return &lwa.Error{Kind: lwa.Passing, Code: "internal", Message: err.Error()}
}

func (a *Agent) reply(e reply) {
	a.publish() // first: who gets the reply may look at the status at once
	if to := a.waiting[e.question]; to != nil {
		delete(a.waiting, e.question)
		to <- replied{e.outcome, e.problem, e.wait, a.m.access}
	}
}

func (a *Agent) take(e take) event {
	err := e.file.take(a.disk, e.result)
	if err == nil {
		return taken{}
	}
	hint := "let the group " + ownGroup() + " write to that directory: chgrp and chmod g+rwx, as root"
	if errors.Is(err, unix.EROFS) {
		hint = "if it was made anew: systemctl restart lwa-agent; a directory of your own needs ReadWritePaths= in the agent's unit"
	}
	return taken{refusal{e.file.path(), err.Error(), cmp.Or(cureOfKernel(err, e.file.dir), hint)}}
}

// log writes a line with the texts that are not empty, in pairs of key and text.
func (a *Agent) log(level slog.Level, message string, pairs ...string) {
	var args []any
	for pair := range slices.Chunk(pairs, 2) {
		if pair[1] != "" {
			args = append(args, pair[0], pair[1])
		}
	}
	a.cfg.Log.Log(context.Background(), level, message, args...) //nolint:sloglint // the machine tells what happened in its own words
}
