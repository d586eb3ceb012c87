package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"

	"github.com/spf13/cobra"
)

const (
	codePatience    = 60 * time.Second // for what becomes of a code
	accountPatience = 3 * time.Second  // for the account's name after linking
	maxCode         = 8 << 10          // bytes; the agent takes no more
)

func (a *app) codeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "code [TEXT|-]",
		Short: "Hands in a code or the address the browser ended at",
		Long: `Hands in a code, or the whole address the browser ended at, and waits up to 60
seconds for what becomes of it. Without TEXT, or with -, it is read from standard
input: better than TEXT, which other users of this machine can see in the list
of processes. "lwa-agent link" takes a pasted code as well.`,
		Example: `  lwa-agent code < address.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("more than one code given; put an address in quotes")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := a.codeText(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.handIn(cmd.Context(), text)
		},
	}
}

// codeText reads the code without being held by a terminal where nobody types.
func (a *app) codeText(ctx context.Context, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return notEmpty(args[0])
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	line := len(args) == 0 && isTerminal(a.In)
	if line {
		fmt.Fprint(a.Err, "Paste the code or the address here: ")
	}
	go func() {
		var r result
		if line {
			r.text, r.err = bufio.NewReader(io.LimitReader(a.In, maxCode+1)).ReadBytes('\n')
			if errors.Is(r.err, io.EOF) {
				r.err = nil
			}
		} else {
			r.text, r.err = io.ReadAll(io.LimitReader(a.In, maxCode+1))
		}
		done <- r
	}()
	select {
	case r := <-done:
		switch {
		case r.err != nil:
			return "", fmt.Errorf("standard input cannot be read: %w", r.err)
		case len(r.text) > maxCode:
			return "", errors.New("what was handed in is longer than 8 KiB; hand in the code or the address alone")
		}
		return notEmpty(string(r.text))
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func notEmpty(text string) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "", errors.New("no code was given; copy the address the browser ended at, and hand in all of it")
	}
	return text, nil
}

// handIn posts a code and says what became of it. The events are followed
// before, or the outcome could come and go unseen.
func (a *app) handIn(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, codePatience, errNoOutcome)
	defer cancel()
	s := a.socket()
	updates := s.Follow(ctx, reconnectEvery)
	first, err := next(ctx, updates)
	if err != nil {
		return context.Cause(ctx)
	}
	if first.Err != nil {
		return first.Err
	}
	// An agent that went away without an answer may have taken the code: what
	// became of it is seen when the agent is back.
	if _, err := s.Ask(ctx, http.MethodPost, "/code", text); err != nil && !errors.Is(err, socket.ErrNotRunning) {
		return codeError(err)
	}
	h := hope{before: first.Status}
	for {
		select {
		case u := <-updates:
			switch {
			case errors.Is(u.Err, socket.ErrNotRunning):
				h.restarted = true // a code that was sent is not sent again
				continue
			case u.Err != nil:
				return u.Err
			}
			switch h.see(u.Status) {
			case fulfilled:
				a.sayLinked(a.named(ctx, updates, u.Status))
				return nil
			case failed:
				return h.failure(u.Status)
			case open:
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func codeError(err error) error {
	if e, ok := errors.AsType[*socket.Refusal](err); ok && e.Status == http.StatusConflict && e.Hint == "" {
		return fmt.Errorf("%w; to link it anew: lwa-agent relink", err)
	}
	return err
}

// errNoOutcome ends the wait for what becomes of a code.
var errNoOutcome = fmt.Errorf("nothing came of the code within %.0f s; it may still be on its way; see: lwa-agent status", codePatience.Seconds())

// hope tells from the statuses after a code what became of it.
type hope struct {
	before    agent.Status
	pending   bool // it was seen to be on its way
	restarted bool // the agent was, and it forgets a code that was not sent yet
}

type outcome int

const (
	open outcome = iota
	fulfilled
	failed
)

func (h *hope) see(s agent.Status) outcome {
	switch {
	case s.State == agent.Linked && (h.before.State != agent.Linked || !sameTime(s.LinkedSince, h.before.LinkedSince)):
		return fulfilled
	case s.CodePending || s.State == agent.Linking:
		h.pending = true
		return open
	case h.pending || h.restarted || isNew(s.LastError, h.before.LastError):
		return failed
	}
	return open
}

func (h *hope) failure(s agent.Status) error {
	if h.restarted && !isNew(s.LastError, h.before.LastError) {
		return errors.New("the agent was restarted before the code had an outcome; scan the QR code again")
	}
	if s.LastError == nil {
		return errors.New("the code was not accepted; see: lwa-agent status")
	}
	return errors.New(problemText(s.LastError))
}

func isNew(p, old *agent.Problem) bool {
	return p != nil && (old == nil || p.Code != old.Code || !p.At.Equal(old.At) || p.Message != old.Message)
}

func sameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}

// named waits a moment for the name of the account, which is asked for after
// the link is there.
func (a *app) named(ctx context.Context, updates <-chan socket.Update, s agent.Status) agent.Status {
	timeout := time.NewTimer(accountPatience)
	defer timeout.Stop()
	for s.State == agent.Linked && s.Account == "" && slices.Contains(s.Scopes, "profile") {
		select {
		case u := <-updates:
			if u.Err != nil {
				return s
			}
			s = u.Status
		case <-timeout.C:
			return s
		case <-ctx.Done():
			return s
		}
	}
	return s
}

// sayLinked names the account, so that a device linked by a stranger is seen.
func (a *app) sayLinked(s agent.Status) {
	if s.Account == "" {
		a.say("linked")
		return
	}
	a.say("linked to the account of %s (not yours? lwa-agent unlink)", s.Account)
}
