package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/display"

	"golang.org/x/sys/unix"
)

// session is a person at a terminal who links the device.
type session struct {
	app      *app
	socket   *socket.Socket
	cells    display.Cells // of the output
	terminal bool          // somebody reads the prompt

	hope    hope
	offered bool           // a way to link was shown
	renewed bool           // and then another
	shown   string         // the one that stands on the terminal
	pending bool           // a code was seen on its way
	told    bool           // "asking Amazon" was said
	problem *agent.Problem // the last one said
	last    agent.Status
	lost    bool // the agent is away

	prompt    string
	prompting bool // the cursor stands behind the prompt
}

const (
	asking = "asking Amazon …"

	// resizeSettle is how long a window must keep its size: one that is being
	// dragged changes it all the time.
	resizeSettle = 300 * time.Millisecond
)

func (a *app) session(s *socket.Socket, before agent.Status) *session {
	l := &session{app: a, socket: s, hope: hope{before: before}, problem: before.LastError, terminal: isTerminal(a.Out)}
	if f, ok := a.Out.(*os.File); ok {
		l.cells = display.CellsOf(f, a.Env)
	}
	return l
}

// run shows what the agent offers and takes what is pasted, until linked.
func (l *session) run(ctx context.Context, updates <-chan socket.Update) error {
	pasted := l.app.lines(ctx)
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	settled := time.NewTimer(0) // it may have changed before
	for {
		select {
		case <-resized:
			settled.Reset(resizeSettle)
		case <-settled.C:
			l.resize()
		case u := <-updates:
			switch {
			case errors.Is(u.Err, socket.ErrNotRunning):
				if !l.lost {
					l.line("the agent went away; waiting for it (see: systemctl status lwa-agent)")
				}
				l.lost = true
				continue
			case u.Err != nil:
				l.leavePrompt()
				return u.Err
			}
			l.lost = false
			if done, err := l.see(ctx, updates, u.Status); done {
				return err
			}
		case text := <-pasted:
			l.prompting = false // the person's Enter ended that line
			l.take(ctx, text)
		case <-ctx.Done():
			l.leavePrompt()
			return errQuiet
		}
	}
}

// resize shows the offer again where another size changes what fits.
func (l *session) resize() {
	f, ok := l.app.Out.(*os.File)
	if !ok || !l.offered {
		return
	}
	if cells := display.CellsOf(f, l.app.Env); cells != l.cells {
		l.cells, l.shown = cells, ""
		if l.pending {
			return // shown when the code has an outcome
		}
		l.offer(l.last, 1)
		l.ask()
	}
}

// see says what is new in s. It is done when the device is linked, or when a
// new link is no longer offered.
func (l *session) see(ctx context.Context, updates <-chan socket.Update, s agent.Status) (done bool, err error) {
	if l.hope.see(s) == fulfilled {
		s = l.app.named(ctx, updates, s)
		l.leavePrompt()
		l.app.sayLinked(s)
		return true, nil
	}
	pending := s.CodePending || s.State == agent.Linking
	ended := l.pending && !pending
	var problem string
	if p := s.LastError; isNew(p, l.problem) || ended && p != nil {
		problem = problemText(p)
	}
	l.problem, l.pending, l.last = s.LastError, pending, s
	if pending {
		if problem != "" {
			l.line("%s", problem)
		}
		if !l.told {
			l.line(asking)
		}
		l.told = true
		return false, nil
	}
	l.told = false
	if l.offered && s.State == agent.Linked && !socket.Offers(s) {
		l.leavePrompt()
		return true, fmt.Errorf("the new link was withdrawn; the old one stays in use")
	}
	below := 1 // row, for the prompt
	if problem != "" {
		below += 1 + len(problem)/max(1, l.cells.Columns) // or a QR code would push it out of sight
	}
	l.offer(s, below)
	if problem != "" {
		l.line("%s", problem)
	}
	l.ask()
	return false, nil
}

// offer shows a way to link, once, so that as many rows below it stay in sight.
func (l *session) offer(s agent.Status, below int) {
	if !socket.Offers(s) {
		l.prompt = "Waiting for a code from Amazon … "
		if at := s.NextLinkAt; at != nil && at.String() != l.shown {
			l.shown = at.String()
			l.line("the next code comes %s; Enter asks for one now", whenLine(*at, time.Now()))
		}
		return
	}
	key := s.AuthorizeURL + " " + s.LinkPage + " " + s.VerificationURI + " " + s.UserCode
	l.renewed = l.renewed || l.offered && l.shown != "" && l.shown != key
	switch {
	case s.AuthorizeURL != "":
		l.prompt = "Code or address: "
	case l.renewed:
		l.prompt = "This is a new code: the last one is not good any more. Waiting … "
	default:
		l.prompt = "Waiting until you have signed in … "
	}
	if key == l.shown {
		return
	}
	l.leavePrompt()
	if l.terminal && !l.offered {
		closely := l.cells
		closely.Rows = 0 // at 80x24 the first way is to stay in sight
		for _, way := range otherWays(s, l.app.Env) {
			out, _ := closely.Inline(way, 0)
			fmt.Fprintln(l.app.Out, out)
		}
	}
	l.shown, l.offered = key, true
	out, _ := l.cells.Inline(linkScreen(s, time.Now()), below)
	fmt.Fprint(l.app.Out, out)
}

// printOffer is for scripts: it waits for the way to link, prints it and returns.
func (l *session) printOffer(ctx context.Context, updates <-chan socket.Update) error {
	limited, cancel := context.WithTimeout(ctx, socket.CallTimeout)
	defer cancel()
	for {
		u, err := next(limited, updates)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil && l.last.LastError != nil:
			return errors.New(problemText(l.last.LastError))
		case err != nil:
			return errors.New("a new link is being prepared; see: lwa-agent status")
		case u.Err != nil:
			return u.Err
		case socket.Offers(u.Status):
			l.offer(u.Status, 1)
			return nil
		}
		l.last = u.Status
	}
}

// take hands in a pasted line and says why it was refused. An empty line only
// tells that somebody is here.
func (l *session) take(ctx context.Context, text string) {
	target := "/code"
	if strings.TrimSpace(text) == "" {
		target = "/attend"
	}
	switch _, err := l.socket.Ask(ctx, http.MethodPost, target, text); {
	case ctx.Err() != nil:
		return
	case err != nil:
		l.line("%s", codeError(err))
	case target == "/code":
		l.line(asking)
		l.told = true
		return
	}
	l.ask()
}

func (l *session) line(format string, args ...any) {
	l.leavePrompt()
	l.app.say(format, args...)
}

func (l *session) ask() {
	if l.terminal && !l.prompting && l.prompt != "" {
		fmt.Fprint(l.app.Out, l.prompt)
		l.prompting = true
	}
}

// leavePrompt gives the next line a place of its own.
func (l *session) leavePrompt() {
	switch {
	case !l.prompting:
	case l.cells.Escapes:
		fmt.Fprint(l.app.Out, "\r\x1b[K")
	default:
		fmt.Fprintln(l.app.Out)
	}
	l.prompting = false
}

// lines sends what is typed or pasted, line by line. The end of the input is no
// end of anything: the code may come another way.
func (a *app) lines(ctx context.Context) <-chan string {
	lines := make(chan string)
	go func() {
		in := bufio.NewScanner(a.In)
		in.Buffer(make([]byte, 0, 4096), 16*maxCode)
		for in.Scan() {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}
