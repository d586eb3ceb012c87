package agent

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"

	"lwa-agent/lwa"
)

// inbox finds the codes that people drop as files. It decides nothing about a
// code: it offers what it read, again and again while the file is there, and
// the loop takes the file away when it has done with it. So nothing is
// forgotten whenever either of them is restarted.
//
// The goroutine of run owns all fields below the line, so there is no lock.
type inbox struct {
	disk fileSystem
	log  *slog.Logger
	out  chan inboxReport
	ask  chan struct{}
	// turns counts those of the loop of run, so that one that hangs is noticed.
	turns atomic.Uint64

	// ---
	spools  []*spool
	watch   dirWatch
	last    inboxReport
	repeat  bool // the next report goes out even if it is like the last
	started bool // a report went out
}

// inboxReport is all there is to know about the configured paths.
type inboxReport struct {
	Offers   []droppedCode // newest first
	Refusals []refusal     // newest first
	Trouble  refusal       // of a directory or of the watching itself; zero if none
}

// droppedCode is a whole text that parses.
type droppedCode struct {
	Drop lwa.Drop
	File droppedFile
}

// refusal is why a file or a directory is of no use. Message reads well behind
// "Path: ", and all of it is safe to print whatever the file is called.
type refusal struct{ Path, Message, Hint string }

func (r inboxReport) equal(other inboxReport) bool {
	return r.Trouble == other.Trouble && slices.Equal(r.Offers, other.Offers) && slices.Equal(r.Refusals, other.Refusals)
}

func (r *inboxReport) trouble(path, message, hint string) {
	if r.Trouble == (refusal{}) {
		r.Trouble = refusal{printablePath(path), message, hint}
	}
}

// newInbox makes the inbox of the given paths: with a trailing slash a
// directory in which a file of any name counts, else that one file.
func newInbox(paths []string, disk fileSystem, log *slog.Logger) *inbox {
	in := &inbox{disk: disk, log: log, out: make(chan inboxReport, 1), ask: make(chan struct{}, 1)}
	for _, path := range paths {
		dir, name := filepath.Split(path)
		in.spool(filepath.Clean(dir)).add(name)
	}
	return in
}

func (in *inbox) spool(dir string) *spool {
	for _, s := range in.spools {
		if s.dir == dir {
			return s
		}
	}
	s := &spool{dir: dir, disk: in.disk}
	in.spools = append(in.spools, s)
	return s
}

// reports gives the latest report; one that nobody read is replaced. It is
// never closed.
func (in *inbox) reports() <-chan inboxReport { return in.out }

// rescan asks for a look at everything and a report, soon. Some file systems
// tell nobody about a new file, so this is asked for now and then.
func (in *inbox) rescan() {
	select {
	case in.ask <- struct{}{}:
	default: // asked for already
	}
}

// run looks after the paths until ctx is done.
func (in *inbox) run(ctx context.Context) {
	defer in.watch.close()
	next := time.Now() // when to look
	free := next       // when to look at the earliest
	timer := time.NewTimer(0)
	defer timer.Stop()
	soon := func() {
		if due := later(time.Now(), free); due.Before(next) {
			next = due
			timer.Reset(time.Until(next))
		}
	}
	for {
		in.turns.Add(1)
		select {
		case <-ctx.Done():
			return
		case <-in.ask:
			in.repeat = true
			soon()
		case event := <-in.watch.events():
			if in.concerns(event) {
				soon()
			}
		case err := <-in.watch.errors():
			in.watch.failed(err, time.Now())
			soon()
		case <-timer.C:
			begin := time.Now()
			wanted := in.look(begin)
			end := time.Now()
			free = end.Add(max(minPause, 4*end.Sub(begin))) // a flood of files costs a fifth of the processor
			next = later(wanted, free)
			timer.Reset(time.Until(next))
		}
	}
}

const (
	minPause    = 10 * time.Millisecond
	pollEvery   = time.Second // without inotify
	nothingToDo = time.Hour
)

// look looks at everything, reports if there is news, and returns when it
// wants to look again although nothing happens.
func (in *inbox) look(now time.Time) time.Time {
	next := now.Add(nothingToDo)
	var report inboxReport
	in.watch.ensure(in.spools, now)
	if message, hint := in.watch.trouble(); message != "" {
		report.trouble(cmp.Or(in.watch.failedAt, in.spools[0].dir), message, hint)
		next = now.Add(pollEvery)
	}
	for _, s := range in.spools {
		next = sooner(next, s.look(now, &report))
	}
	if in.started && !in.repeat && report.equal(in.last) {
		return next
	}
	in.tell(report)
	return next
}

func (in *inbox) tell(report inboxReport) {
	if t := report.Trouble; t != in.last.Trouble {
		if t == (refusal{}) {
			in.log.Info("drop directory is in order again")
		} else {
			in.log.Warn("drop directory in trouble", "path", t.Path, "trouble", t.Message, "hint", t.Hint)
		}
	}
	in.last, in.started, in.repeat = report, true, false
	select {
	case <-in.out: // not read yet, and out of date now
	default:
	}
	in.out <- report // there is room: nobody else sends
}

// concerns reports whether an event can change what is to be reported. The
// parent directories are watched too, and most of what happens there is none
// of our business.
func (in *inbox) concerns(event fsnotify.Event) bool {
	path := filepath.Clean(event.Name)
	return slices.ContainsFunc(in.spools, func(s *spool) bool {
		return path == s.dir || filepath.Dir(path) == s.dir && s.wants(filepath.Base(path))
	})
}

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// spool is a directory and the files in it that count.
type spool struct {
	dir   string
	disk  fileSystem
	any   bool     // every file that is not passed over
	names []string // these, whatever they are called

	// What the last look saw. Each look makes them anew, so they are never
	// larger than what one look looks at.
	asked  doorman
	since  map[droppedFile]time.Time // when a file was first seen in this state
	wrongs map[droppedFile]refusal   // texts that were read and are nonsense
}

func (s *spool) add(name string) {
	switch {
	case name == "":
		s.any = true
	case !slices.Contains(s.names, name):
		s.names = append(s.names, name)
	}
}

func (s *spool) wants(name string) bool {
	return s.any && !PassedOver(name) || slices.Contains(s.names, name)
}

// resultName is the file that tells a person what became of a dropped code.
const resultName = "RESULT.txt"

// PassedOver reports whether a file is none that a person means to drop: what
// editors and copying programs leave for a moment, and our own answer.
func PassedOver(name string) bool {
	if name == resultName || name == "4913" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") {
		return true
	}
	switch ext := filepath.Ext(name); ext {
	case ".tmp", ".part", ".filepart":
		return true
	default:
		return len(ext) == 4 && strings.HasPrefix(ext, ".sw") || len(name) == 9 && strings.HasPrefix(name, "sed") && ext == ""
	}
}
