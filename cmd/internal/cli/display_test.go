package cli

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"

	"lwa-agent/agent"
	"lwa-agent/display"
	"lwa-agent/display/displaytest"
	"lwa-agent/display/panel"
)

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

// startDisplay draws into a picture in dir until the test is over.
func startDisplay(t *testing.T, dir string, log *lockedBuffer) {
	ctx, stop := context.WithCancel(context.Background())
	var task sync.WaitGroup
	task.Go(func() {
		_ = runDisplay(ctx, dir, []panel.Config{{Driver: "png", Device: filepath.Join(dir, "link.png")}}, log)
	})
	t.Cleanup(func() { stop(); task.Wait() }) // it may be writing the picture
}

func TestAgentForgettingADisplayIsToldAgain(t *testing.T) {
	dir := t.TempDir()
	fake := startEvents(t, dir)
	startDisplay(t, dir, &lockedBuffer{})
	fake.say(t, pairStatus())
	first := fake.hears(t, "QR of the code-pair URL, version 3-M")
	if err := first.connection.Close(); err != nil { // nothing changes on the display
		t.Fatal(err)
	}
	// One more report may have been under way over the connection that is closed.
	for again := first; again.connection == first.connection; {
		again = fake.hears(t, "QR of the code-pair URL, version 3-M")
	}
}

func TestRefusedReportIsSaidOnceAndTriedAgainInAWhile(t *testing.T) {
	t.Parallel() // it waits
	dir := t.TempDir()
	fake := startEvents(t, dir)
	fake.full.Store(2)
	var log lockedBuffer
	began := time.Now()
	startDisplay(t, dir, &log)
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
		time.Sleep(10 * time.Minute)
		stop()
		tasks.Wait()
		s := <-sheet.screens
		if s.Title != "lwa-agent is not running" || !strings.Contains(s.Problem, "systemctl start lwa-agent") || len(sheet.screens) > 0 {
			t.Errorf("the display says %+v and %d more, want once that the agent is not running and what to do", s, len(sheet.screens))
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("the log has %d lines after 10 minutes, want 1:\n%s", n, log.String())
		}
	})
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
