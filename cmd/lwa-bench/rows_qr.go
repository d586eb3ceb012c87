package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/socket"
	"lwa-agent/display/displaytest"
)

const (
	rowQRPair      = "qr-pair"
	rowQRAuthorize = "qr-authorize"

	qrRuns = 30
	// quiet is how long nothing is written before the picture counts as the
	// last one. It is in no figure.
	quiet = 40 * time.Millisecond
)

func (b *bench) qrPair(ctx context.Context) error {
	return b.qr(ctx, rowQRPair, agent.MethodCBL, pty.Winsize{Cols: 80, Rows: 24},
		"the pair is asked for and saved before it is shown")
}

func (b *bench) qrAuthorize(ctx context.Context) error {
	return b.qr(ctx, rowQRAuthorize, agent.MethodCode, pty.Winsize{Cols: 132, Rows: 43},
		"the attempt is saved before it is shown")
}

// qr measures how soon somebody who starts a new device sees the code: from
// before the fork of "run --display" to the last byte of the picture that a
// phone can read. It is told beside it what the disk has of that, and TLS.
func (b *bench) qr(ctx context.Context, name, method string, size pty.Winsize, before string) error {
	measure := func(runs int, o deviceOptions) (figure, error) {
		o.method = method
		var took []time.Duration
		for range runs {
			one, err := b.firstPicture(ctx, o, size)
			if err != nil {
				return figure{}, err
			}
			took = append(took, one)
		}
		return summarize(milliseconds(took), ""), nil
	}
	f, err := measure(qrRuns, deviceOptions{})
	if err != nil {
		return err
	}
	volatile, err := measure(qrRuns/2, deviceOptions{volatile: true})
	if err != nil {
		return err
	}
	f.Note = fmt.Sprintf("from before the fork of run --display to the last byte of the picture, on a terminal of %dx%d; "+
		"each run a new device, whose serial number is saved, too; %s. Each picture was decoded. With the state in memory instead of on this disk: %s ms",
		size.Cols, size.Rows, before, number(*volatile.Median))
	if method == agent.MethodCBL {
		secure, err := measure(qrRuns/3, deviceOptions{tls: true})
		if err != nil {
			return err
		}
		f.Note += fmt.Sprintf("; by TLS%s instead of plain HTTP: %s ms", b.authority.among(), number(*secure.Median))
	}
	f.Note += "."
	b.found(name, f)
	return nil
}

// among tells what the agent had to read for its first call by TLS.
func (a *authority) among() string {
	if a.others {
		return " and with this machine's authorities to read"
	}
	return " (this machine has no authorities to read, as a device has)"
}

// firstPicture starts a new device on a terminal of its own, and stops it when
// its picture stands.
func (b *bench) firstPicture(ctx context.Context, o deviceOptions, size pty.Winsize) (took time.Duration, err error) {
	d, err := b.newDevice(ctx, o)
	if err != nil {
		return 0, err
	}
	screen, tty, err := openScreen(size)
	if err != nil {
		return 0, err
	}
	defer screen.close()
	cmd := d.command(ctx, append([]string{"TERM=xterm-256color", "LANG=C.UTF-8"}, b.coreEnv...), "run", "--display")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	began := time.Now()
	d.core, err = d.launch(cmd)
	tty.Close() // now the agent's alone, so its end is the end of the screen
	if err != nil {
		return 0, err
	}
	wanted, err := d.until(ctx, socket.Offers)
	if err == nil {
		err = screen.settle(ctx)
	}
	if err = errors.Join(err, d.end()); err != nil {
		return 0, err
	}
	screen.wait()
	stood, err := screen.stood(payload(wanted), size)
	return stood.Sub(began), err
}

// payload is what the QR code of an offer has to hold.
func payload(s agent.Status) string {
	if s.AuthorizeURL != "" {
		return s.AuthorizeURL
	}
	return s.VerificationURI + "?cbl-code=" + s.UserCode
}

// screen is what a terminal was written, and when.
type screen struct {
	master *os.File
	ended  chan struct{}

	mu   sync.Mutex // guards what follows
	text []byte
	ends []written
}

// written is how much there was at a time.
type written struct {
	length int
	at     time.Time
}

// openScreen returns the screen and the terminal that writes on it.
func openScreen(size pty.Winsize) (*screen, *os.File, error) {
	master, tty, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("no terminal to draw on: %w", err)
	}
	if err := pty.Setsize(master, &size); err != nil {
		return nil, nil, errors.Join(err, master.Close(), tty.Close())
	}
	s := &screen{master: master, ended: make(chan struct{})}
	go s.read()
	return s, tty, nil
}

func (s *screen) read() {
	defer close(s.ended)
	buf := make([]byte, 64<<10)
	for {
		n, err := s.master.Read(buf)
		at := time.Now()
		s.mu.Lock()
		s.text = append(s.text, buf[:n]...)
		s.ends = append(s.ends, written{len(s.text), at})
		s.mu.Unlock()
		if err != nil {
			return // the last writer has gone
		}
	}
}

func (s *screen) wait()  { <-s.ended }
func (s *screen) close() { s.master.Close() }

// settle waits for a picture with a code in it and then for quiet.
func (s *screen) settle(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < patience; {
		s.mu.Lock()
		drawn := bytes.Contains(s.text, []byte("▀")) && time.Since(s.ends[len(s.ends)-1].at) >= quiet
		s.mu.Unlock()
		if drawn {
			return nil
		}
		if err := pause(ctx, quiet/4); err != nil {
			return err
		}
	}
	return errors.New("no QR code is drawn")
}

// What a picture of the agent's begins with, and what comes after the last one.
const (
	pictureBegins = "\x1b[0m\x1b[?25l\x1b[2J\x1b[H"
	screenEnds    = "\x1b[0m\x1b[2J\x1b[H"
)

// stood returns when the last byte was written of the first picture whose code
// holds wanted.
func (s *screen) stood(wanted string, size pty.Winsize) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := 0
	seen := errors.New("the terminal was written no picture")
	for i, picture := range strings.Split(string(s.text), pictureBegins) {
		if i > 0 {
			end += len(pictureBegins)
		}
		picture, _, left := strings.Cut(picture, screenEnds)
		end += len(picture)
		if i > 0 {
			if seen = holds(pictureBegins+picture, wanted, size); seen == nil {
				return s.when(end), nil
			}
		}
		if left {
			break
		}
	}
	return time.Time{}, seen
}

// holds returns nil if the QR code in a picture is wanted. It is looked at from
// several distances and by day and night, as people do.
func holds(picture, wanted string, size pty.Winsize) error {
	cells, err := displaytest.Replay([]byte(picture), int(size.Cols), int(size.Rows))
	if err != nil {
		return err
	}
	for look := range 12 {
		theme, pixels := displaytest.Dark(), 2+look/2
		if look%2 == 1 {
			theme = displaytest.Light()
		}
		var text string
		if text, err = readCode(cells.Image(theme, pixels)); err != nil {
			continue
		}
		if text != wanted {
			return fmt.Errorf("the QR code holds %q, and %q is offered", text, wanted)
		}
		return nil
	}
	return err
}

// when is when so many bytes had been written.
func (s *screen) when(length int) time.Time {
	for _, w := range s.ends {
		if w.length >= length {
			return w.at
		}
	}
	return time.Time{}
}
