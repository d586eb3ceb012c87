package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/displaytest"
	"lwa-agent/display/panel"
)

// patience bounds waits for things that come within milliseconds.
const patience = 20 * time.Second

// eventsAgent answers on events.sock of a runtime directory.
type eventsAgent struct {
	server   *http.Server
	statuses chan agent.Status
	reports  chan report
	full     atomic.Int32 // so many reports are too long for it
}

type report struct {
	connection net.Conn
	displays   []agent.Display
}

type connKey struct{}

func startEvents(t *testing.T, runtimeDir string) *eventsAgent {
	t.Helper()
	a := &eventsAgent{statuses: make(chan agent.Status), reports: make(chan report, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case st := <-a.statuses:
				if json.NewEncoder(w).Encode(st) != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("POST /display", func(w http.ResponseWriter, r *http.Request) {
		if a.full.Add(-1) >= 0 {
			w.Header().Set("Connection", "close") // as after a body that is not read to its end
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			w.Write(marshal(map[string]string{"error": "too_long", "message": "too long", "hint": "shorten it"}))
			return
		}
		var displays []agent.Display
		if err := json.NewDecoder(r.Body).Decode(&displays); err != nil {
			t.Errorf("POST /display: %v", err)
		}
		conn, _ := r.Context().Value(connKey{}).(net.Conn)
		a.reports <- report{conn, displays}
		w.WriteHeader(http.StatusNoContent)
	})
	a.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: patience,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	listener, err := net.Listen("unix", filepath.Join(runtimeDir, eventsSocketName))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.server.Serve(listener) }()
	t.Cleanup(func() { _ = a.server.Close() })
	return a
}

func (a *eventsAgent) say(t *testing.T, st agent.Status) {
	t.Helper()
	select {
	case a.statuses <- st:
	case <-time.After(patience):
		t.Fatal("nobody follows the events")
	}
}

// hears waits for the report in which the first display shows so much.
func (a *eventsAgent) hears(t *testing.T, shows string) report {
	t.Helper()
	var last report
	for {
		select {
		case last = <-a.reports:
			if len(last.displays) > 0 && last.displays[0].Shows == shows {
				return last
			}
		case <-time.After(patience):
			t.Fatalf("the agent is not told that the display shows %q; last it was told %+v", shows, last.displays)
		}
	}
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return picture
}

func TestDisplayProcessDrawsAndReports(t *testing.T) {
	dir := t.TempDir()
	picture := filepath.Join(dir, "link.png")
	fake := startEvents(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var log lockedBuffer
	ended := make(chan struct{})
	go func() {
		_ = runDisplay(ctx, dir, []panel.Config{{Driver: "png", Device: picture}, {Driver: "hdmi"}}, &log)
		close(ended)
	}()

	fake.say(t, pairStatus())
	first := fake.hears(t, "QR of the code-pair URL, version 3-M")
	_, unknown := panel.Find("hdmi")
	want := []agent.Display{
		{Driver: "png", Device: picture, Shows: "QR of the code-pair URL, version 3-M"},
		{Driver: "hdmi", Error: unknown.Error()},
	}
	if !reflect.DeepEqual(first.displays, want) {
		t.Errorf("reported %+v, want %+v", first.displays, want)
	}
	if got, err := displaytest.DecodeQR(readPNG(t, picture)); err != nil || got != "https://amazon.com/us/code?cbl-code=BEYHYS" {
		t.Errorf("a phone reads %q (%v) in the picture", got, err)
	}

	fake.say(t, agent.Status{State: agent.Linked, Account: "Jane Doe"})
	second := fake.hears(t, "text")
	if first.connection == nil || first.connection != second.connection {
		t.Error("the reports came over two connections; the agent forgets displays when theirs ends")
	}

	// The agent restarts, and knows of no display.
	if err := fake.server.Close(); err != nil {
		t.Fatal(err)
	}
	fake = startEvents(t, dir)
	fake.say(t, agent.Status{State: agent.Linked, Account: "Jane Doe"})
	fake.hears(t, "text")

	stop()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if log := log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "lwa-agent: display hdmi: the driver") {
		t.Errorf("the log says\n%s\nwant one line about the driver that does not exist", log)
	}
}

func TestDisplayAddedToTheConfigurationIsDrawnOn(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.toml")
	configure := func(pictures ...string) {
		text := fmt.Sprintf("runtime_dir = %q\n", dir)
		for _, p := range pictures {
			text += fmt.Sprintf("[[display]]\ndriver = \"png\"\ndevice = %q\n", filepath.Join(dir, p))
		}
		if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil { // as an editor does
			t.Fatal(err)
		}
	}
	configure("one.png")
	fake := startEvents(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	var log lockedBuffer
	ended := make(chan struct{})
	go func() {
		if err := (&app{Streams: Streams{Err: &log}, configPath: file}).followDisplays(ctx); err != nil {
			t.Error(err)
		}
		close(ended)
	}()
	fake.say(t, pairStatus())
	fake.hears(t, "QR of the code-pair URL, version 3-M")

	configure("one.png", "two.png")
	limit := time.After(patience)
	for drawn := 0; drawn < 2; {
		select {
		case fake.statuses <- pairStatus(): // to the old displays at first, then to the new ones
		case r := <-fake.reports:
			drawn = 0
			for _, d := range r.displays {
				if d.Shows != "" {
					drawn++
				}
			}
		case <-limit:
			t.Fatal("the display that was added to the configuration stays empty until a restart")
		}
	}
	stop()
	<-ended
	if log.String() != "" {
		t.Errorf("the log says %s", log.String())
	}
}

func TestAgentForgettingADisplayIsToldAgain(t *testing.T) {
	dir := t.TempDir()
	fake := startEvents(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		_ = runDisplay(ctx, dir, []panel.Config{{Driver: "png", Device: filepath.Join(dir, "link.png")}}, &lockedBuffer{})
	}()
	fake.say(t, pairStatus())
	first := fake.hears(t, "QR of the code-pair URL, version 3-M")
	if err := first.connection.Close(); err != nil { // nothing changes on the display
		t.Fatal(err)
	}
	if again := fake.hears(t, "QR of the code-pair URL, version 3-M"); again.connection == first.connection {
		t.Error("reported over the connection that was closed")
	}
}

func TestRefusedReportIsSaidOnceAndTriedAgainInAWhile(t *testing.T) {
	dir := t.TempDir()
	fake := startEvents(t, dir)
	fake.full.Store(2)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var log lockedBuffer
	began := time.Now()
	go func() {
		_ = runDisplay(ctx, dir, []panel.Config{{Driver: "png", Device: filepath.Join(dir, "link.png")}}, &log)
	}()
	fake.say(t, pairStatus())
	fake.hears(t, "QR of the code-pair URL, version 3-M")
	if took := time.Since(began); took < 2*reportAgain {
		t.Errorf("two refused reports were followed by one after %v: it asks without a pause", took)
	}
	if want := "lwa-agent: the status lacks the displays: too long; shorten it\n"; log.String() != want {
		t.Errorf("the log says %q, want %q", log.String(), want)
	}
}

func TestAbsentAgentIsSaidOnTheDisplayAndOnceInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		ctx, stop := context.WithCancel(t.Context())
		var log lockedBuffer
		sheet := &paper{screens: make(chan display.Screen, 100)}
		b := newBoard([]*target{{driver: "panel", open: sheet.open}}, &log)
		link := newDisplayLink(filepath.Join(dir, eventsSocketName))
		var tasks sync.WaitGroup
		tasks.Go(func() { link.follow(ctx, b, &log) })
		tasks.Go(func() { b.run(ctx) })
		time.Sleep(absence - time.Millisecond)
		if len(sheet.screens) > 0 {
			t.Errorf("%v after the start the display says %q; an agent may take that long to start", absence-time.Millisecond, (<-sheet.screens).Title)
		}
		time.Sleep(time.Hour)
		stop()
		tasks.Wait()
		s := <-sheet.screens
		if s.Title != "lwa-agent is not running" || !strings.Contains(s.Problem, "systemctl start lwa-agent") || len(sheet.screens) > 0 {
			t.Errorf("the display says %+v and %d more, want once that the agent is not running and what to do", s, len(sheet.screens))
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("the log has %d lines after an hour, want 1:\n%s", n, log.String())
		}
	})
}

// paper is a display that keeps what it is shown.
type paper struct{ screens chan display.Screen }

func (p *paper) open() (display.Display, error) { return p, nil }
func (p *paper) Close() error                   { return nil }
func (p *paper) Draw(s display.Screen) (string, error) {
	p.screens <- s
	return "text", nil
}

func TestConsoleIsLeftAloneUntilALinkIsOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		sheet := &paper{screens: make(chan display.Screen, 100)}
		b := newBoard([]*target{{driver: "panel", open: sheet.open, shy: true}}, &lockedBuffer{})
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx) }()
		for _, st := range []agent.Status{{State: agent.Linked}, pairStatus(), {State: agent.Linked}} {
			b.show(screenFor(st, noon()))
			synctest.Wait()
		}
		stop()
		<-done
		close(sheet.screens)
		var kinds []display.Kind
		for s := range sheet.screens {
			kinds = append(kinds, s.Kind)
		}
		if want := []display.Kind{display.Offer, display.Linked}; !reflect.DeepEqual(kinds, want) {
			t.Errorf("drawn on the console: kinds %v, want %v: who logs in on a linked device must find a prompt", kinds, want)
		}
	})
}

func TestMissingConsoleIsWaitedForAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var log lockedBuffer
		tries := 0
		open := func() (display.Display, error) { tries++; return nil, errors.New("no console; write a [[display]]") }
		b := newBoard([]*target{{driver: "terminal", open: open}}, &log)
		done := make(chan struct{})
		go func() { defer close(done); b.run(ctx) }()
		b.show(screenFor(pairStatus(), noon()))
		time.Sleep(10*time.Minute - time.Second)
		stop()
		<-done
		if want := "lwa-agent: display terminal: no console; write a [[display]]\n"; log.String() != want {
			t.Errorf("the log says %q, want %q", log.String(), want)
		}
		if tries != 20 {
			t.Errorf("tried %d times in 10 minutes, want 20", tries)
		}
		if got := b.lines()[0].Error; got != "no console; write a [[display]]" {
			t.Errorf("the status says %q", got)
		}
	})
}

// TestDisplayThatNobodyConfiguredIsNamedInTheLog, once it is known which it is.
func TestDisplayThatNobodyConfiguredIsNamedInTheLog(t *testing.T) {
	for chosen, want := range map[panel.Config]string{
		{Driver: "framebuffer", Device: "/dev/fb0"}: "lwa-agent: display framebuffer /dev/fb0: it hangs\n",
		{}: "lwa-agent: display default: it hangs\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Second)
			defer stop()
			var log lockedBuffer
			choice := &target{}
			choice.open = func() (display.Display, error) { choice.opened(chosen); return nil, errors.New("it hangs") }
			b := newBoard([]*target{choice}, &log)
			b.show(screenFor(pairStatus(), noon()))
			b.run(ctx)
			if log.String() != want {
				t.Errorf("the log says %q, want %q", log.String(), want)
			}
			if got := b.lines()[0]; got.Driver != chosen.Driver || got.Device != chosen.Device {
				t.Errorf("the status says %+v, want %+v", got, chosen)
			}
		})
	}
}

// TestDeviceThatCameLaterEndsTheProcess: a unit's DeviceAllow= knows the drivers
// that were loaded at its start, so only a new process may use the panel. Where
// the first try is refused, a new process would be refused as well.
func TestDeviceThatCameLaterEndsTheProcess(t *testing.T) {
	for _, want := range []struct {
		name  string
		fails []error
		ends  time.Duration // 0: never
	}{
		{"came later", []error{fs.ErrNotExist, fs.ErrNotExist, syscall.EPERM}, time.Minute},
		{"forbidden", []error{syscall.EPERM}, 0},
		{"of another group", []error{fs.ErrNotExist, syscall.EACCES}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			open := func() (display.Display, error) {
				err := want.fails[min(tries, len(want.fails)-1)]
				tries++
				return nil, fmt.Errorf("opening /dev/i2c-1: %w", err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Hour)
			defer stop()
			began := time.Now()
			var late error
			b := newBoard([]*target{{driver: "ssd1306", device: "/dev/i2c-1", open: open}}, &lockedBuffer{})
			b.tooLate = func(err error) { late = err; stop() }
			b.show(screenFor(pairStatus(), noon()))
			b.run(ctx)
			if took := time.Since(began); (want.ends == 0) != (late == nil) || want.ends != 0 && took != want.ends {
				t.Errorf("%s: ended after %v with %v, want after %v", want.name, took, late, want.ends)
			}
			if late != nil && !strings.HasPrefix(late.Error(), "display ssd1306 /dev/i2c-1: it came after the start of this process") {
				t.Errorf("%s: it says %q", want.name, late)
			}
		})
	}
}

func TestRunDisplayDrawsOnItsOwnTerminal(t *testing.T) {
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	if err := pty.Setsize(ours, &pty.Winsize{Cols: 132, Rows: 43}); err != nil {
		t.Fatal(err)
	}
	var shown lockedBuffer
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := ours.Read(buffer)
			if err != nil {
				return
			}
			_, _ = shown.Write(buffer[:n])
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	reports := make(chan []agent.Display, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		getenv := func(name string) string { return map[string]string{"TERM": "xterm", "LANG": "C.UTF-8"}[name] }
		drawStatuses(ctx, nil, theirs, getenv, &lockedBuffer{},
			func(ctx context.Context, yield func(agent.Status)) { yield(authorizeStatus()); <-ctx.Done() },
			func(d []agent.Display) { reports <- d })
	}()
	select {
	case d := <-reports:
		if want := "QR of the authorize URL, version "; len(d) != 1 || !strings.HasPrefix(d[0].Shows, want) {
			t.Fatalf("reported %+v, want %q", d, want)
		}
	case <-time.After(patience):
		t.Fatal("nothing was drawn")
	}
	stop()
	<-done
	out := shown.until(t, "\x1b[?25h")
	picture := out[:strings.LastIndex(out, "\x1b[0m\x1b[2J")]
	if got, err := displaytest.DecodeTerminal([]byte(picture), 132, 43); err != nil || got != authorizeStatus().AuthorizeURL {
		t.Errorf("a phone reads %q (%v), want the authorize URL", got, err)
	}
	left, err := displaytest.Replay([]byte(out), 132, 43)
	if err != nil || left.HiddenCursor || left.Text() != "\n" {
		t.Errorf("it leaves (%v) a hidden cursor (%v) and %q; want an empty terminal", err, left.HiddenCursor, left.Text())
	}
}

// lockedBuffer is written and read at the same time.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *lockedBuffer) until(t *testing.T, end string) string {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for {
		select {
		case <-tick.C:
			if text := b.String(); strings.Contains(text, end) {
				return text
			}
		case <-limit:
			t.Fatalf("%q was not written", end)
		}
	}
}
