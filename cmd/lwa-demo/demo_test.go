package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lwa-agent/agent"
	"lwa-agent/cmd/internal/cli"
)

// TestMain is the agent when the demo starts it: the demo's executable is this
// test.
func TestMain(m *testing.M) {
	if isAgent(os.Args) {
		main()
	}
	// These tests wait for one another's seconds, not for a processor. An option
	// of the command line goes before.
	_ = flag.Set("test.parallel", "8")
	os.Exit(m.Run())
}

// terminal is what a person would type at and read.
type terminal struct {
	t     *testing.T
	tmp   string // where the demo keeps its directory
	typed *io.PipeWriter
	in    *io.PipeReader

	mu   sync.Mutex // guards what follows
	text strings.Builder
	news chan struct{} // closed with each write
	read int           // of text, by waitFor
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	tmp, err := os.MkdirTemp("", "d") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	term := &terminal{t: t, tmp: tmp, news: make(chan struct{})}
	term.in, term.typed = io.Pipe()
	t.Cleanup(func() { term.typed.Close() })
	return term
}

func (term *terminal) streams() cli.Streams {
	return cli.Streams{In: term.in, Out: term, Err: term, Env: func(name string) string {
		if name == "TMPDIR" {
			return term.tmp
		}
		return ""
	}}
}

func (term *terminal) Write(text []byte) (int, error) {
	term.mu.Lock()
	defer term.mu.Unlock()
	close(term.news)
	term.news = make(chan struct{})
	return term.text.Write(text)
}

func (term *terminal) String() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.text.String()
}

// waitFor returns the line with the text, once it is there, and goes on from
// behind it.
func (term *terminal) waitFor(text string) string {
	term.t.Helper()
	late := time.After(30 * time.Second)
	for {
		term.mu.Lock()
		all, news := term.text.String(), term.news
		rest := all[term.read:]
		if i := strings.Index(rest, text); i >= 0 && strings.Contains(rest[i:], "\n") {
			begin := strings.LastIndexByte(rest[:i], '\n') + 1
			end := i + strings.IndexByte(rest[i:], '\n')
			term.read += end
			term.mu.Unlock()
			return rest[begin:end]
		}
		term.mu.Unlock()
		select {
		case <-news:
		case <-late:
			term.t.Fatalf("the demo never said %q. All it said:\n%s", text, all)
		}
	}
}

func (term *terminal) enter(text string) {
	term.t.Helper()
	if _, err := io.WriteString(term.typed, text+"\n"); err != nil {
		term.t.Fatal(err)
	}
}

// wantClean checks that the demo left nothing behind.
func (term *terminal) wantClean() {
	term.t.Helper()
	if left, _ := filepath.Glob(filepath.Join(term.tmp, "*")); len(left) > 0 {
		term.t.Errorf("the demo left %s, where a stranger would find a link's tokens", left)
	}
}

func TestStoryPlaysItselfWithinTwentySeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes about 12 s, most of them waiting for Amazon")
	}
	t.Parallel()
	term := newTerminal(t)
	began := time.Now()
	if status := run(t.Context(), []string{"--auto"}, term.streams()); status != 0 {
		t.Fatalf("exit status %d, want 0:\n%s", status, term)
	}
	if took := time.Since(began); took > storyWithin {
		t.Errorf("it took %s, and promises %s", took, storyWithin)
	}
	for _, said := range []string{"linked the device to", "refreshed", "killed", "removed", "config.toml", "the device is linked to", "All went well"} {
		term.waitFor(said)
	}
	term.wantClean()
}

func TestFailingStepIsNamedWithWhatWasSeenAndTheLog(t *testing.T) {
	t.Parallel()
	d, err := newDevice("", "http://127.0.0.1:1", agent.MethodCode)
	if err != nil {
		t.Fatal(err)
	}
	defer d.remove()
	if err := os.WriteFile(d.config(), []byte("client_id = 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-d.agent.ended // as it must, with that configuration
	var out strings.Builder
	s := &story{out: &out, began: time.Now(), device: d}
	later := false
	err = s.tell(t.Context(), []step{
		{"nothing", time.Minute, func(context.Context) (string, error) { return "went well", nil }},
		{"the agent offers a link", 50 * time.Millisecond, func(ctx context.Context) (string, error) {
			return "", s.look(ctx, func(st agent.Status) bool { return st.AuthorizeURL != "" })
		}},
		{"no more", time.Minute, func(context.Context) (string, error) { later = true; return "", nil }},
	})
	if err == nil || !strings.Contains(err.Error(), "the agent offers a link") {
		t.Errorf("the error is %v, want the name of the step: it is all that a build log shows", err)
	}
	for _, said := range []string{"went well", "FAILED", "it may take 50ms", "expected: the agent offers a link", "it does not answer", d.config() + ":1: client_id"} {
		if !strings.Contains(out.String(), said) {
			t.Errorf("the story does not say %q:\n%s", said, &out)
		}
	}
	if later {
		t.Error("the story went on after a step that failed")
	}
}

func TestInterruptedStoryEndsTheAgentAndFails(t *testing.T) {
	t.Parallel()
	term := newTerminal(t)
	ctx, interrupt := context.WithCancel(t.Context())
	status := make(chan int, 1)
	go func() { status <- run(ctx, []string{"--auto"}, term.streams()) }()
	term.waitFor("the agent runs")
	interrupt()
	if got := <-status; got != 1 {
		t.Errorf("exit status %d, want 1: the story was not told to its end", got)
	}
	term.waitFor("interrupted")
	term.wantClean()
}

func TestWrongUsageIsSaidInALine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--speed 3":           "not defined",
		"now":                 `"now"`,
		"--auto --cbl":        "both",
		"--amazon 9790 --cbl": "already",
	} {
		term := newTerminal(t)
		if status := run(t.Context(), strings.Fields(args), term.streams()); status != 2 {
			t.Errorf("%s: exit status %d, want 2", args, status)
		}
		if text := term.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, want) {
			t.Errorf("%s: it says %q, want one line with %s", args, text, want)
		}
	}
	term := newTerminal(t)
	if status := run(t.Context(), []string{"--help"}, term.streams()); status != 0 || term.String() != usage {
		t.Errorf("--help: exit status %d and %q, want 0 and the usage", status, term)
	}
}

func TestSocketsFitWhateverTMPDIR(t *testing.T) {
	t.Parallel()
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	if err := os.Mkdir(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := newDevice(deep, "http://127.0.0.1:1", agent.MethodCode)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.until(t.Context(), func(agent.Status) bool { return true }); err != nil {
		t.Error(err)
	}
	if err := errors.Join(d.stop(), d.remove()); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(deep); len(left) > 0 {
		t.Errorf("%s was left in the directory that is too deep", left)
	}
}
