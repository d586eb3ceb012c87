package agent

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
)

const (
	// A file is whole when nothing about it changed for so long. Programs that
	// write in pieces were seen to pause for 20 ms.
	settleTime = 100 * time.Millisecond

	// An address whose state is cut short is probably still being typed or
	// copied over a slow line.
	addressTime = 5 * time.Second

	// So many files are looked at, the newest. A code is dropped now: what lies
	// behind 256 newer files is no code that anybody waits for.
	lookLimit = 256
)

// found is a directory entry; of a link the link itself.
type found struct {
	file  droppedFile
	mode  uint32
	links uint64
	owner uint32
}

func find(dir, name string, st *unix.Stat_t) found {
	return found{identify(dir, name, st), st.Mode, uint64(st.Nlink), st.Uid}
}

// look reports what lies in the directory, and returns when something in it
// that is not settled yet will be.
func (s *spool) look(now time.Time, report *inboxReport) (next time.Time) {
	since, wrongs := s.since, s.wrongs
	s.since, s.wrongs = make(map[droppedFile]time.Time), make(map[droppedFile]refusal)
	next = now.Add(nothingToDo)

	dir, err := openDropDir(s.disk, s.dir)
	if err != nil {
		report.trouble(s.dir, missingDirMessage(err), missingDirHint(s.dir, err))
		return next
	}
	defer s.disk.close(dir)
	s.asked = doorman{}
	var st unix.Stat_t
	if s.disk.fstat(dir, &st) != nil || st.Mode&unix.S_IWOTH != 0 {
		s.asked = doorman{open: true, owner: st.Uid, known: map[uint32]bool{}}
		if st.Mode&unix.S_ISVTX == 0 {
			report.trouble(s.dir, "everybody can write here and remove the files of others", "chmod o-w "+shellWord(s.dir))
		}
	}
	files, err := s.list(dir)
	if err != nil {
		report.trouble(s.dir, missingDirMessage(err), missingDirHint(s.dir, err))
	}
	if len(files) > lookLimit {
		files = files[:lookLimit]
		report.trouble(s.dir, fmt.Sprintf("more than %d files lie here, and only the newest are looked at", lookLimit), "remove what is not needed")
	}
	for _, f := range files {
		first, seen := since[f.file]
		if !seen {
			first = now
		}
		s.since[f.file] = first
		wrong, isWrong := wrongs[f.file]
		if isWrong {
			s.wrongs[f.file] = wrong
			report.Refusals = append(report.Refusals, wrong)
			continue
		}
		drop, refused, wait := s.inspect(dir, f, now.Sub(first))
		switch {
		case wait > 0:
			next = sooner(next, now.Add(wait))
		case refused != (refusal{}):
			report.Refusals = append(report.Refusals, refused)
		case drop != (lwa.Drop{}):
			report.Offers = append(report.Offers, droppedCode{drop, f.file})
		}
	}
	return next
}

// list finds the files that count, newest first, and not many more than
// lookLimit of them. Newest is by ctime, which cp -p and tar cannot set.
func (s *spool) list(dir int) ([]found, error) {
	var files []found
	add := func(name string) {
		var st unix.Stat_t
		if s.disk.stat(dir, name, &st) != nil {
			return // gone again
		}
		files = append(files, find(s.dir, name, &st))
	}
	newest := func(a, b found) int {
		return cmp.Or(cmp.Compare(b.file.ctime, a.file.ctime), cmp.Compare(a.file.name, b.file.name))
	}
	for _, name := range s.names {
		add(name)
	}
	var failed error
	if s.any {
		failed = eachName(s.disk, dir, func(name string) {
			if PassedOver(name) || slices.Contains(s.names, name) {
				return
			}
			add(name)
			if len(files) >= 4*lookLimit {
				slices.SortFunc(files, newest)
				files = files[:lookLimit+1] // one more tells that there are more
			}
		})
	}
	slices.SortFunc(files, newest)
	return files, failed
}

// eachName lists a directory in pieces: there may be a hundred thousand names.
func eachName(disk fileSystem, dir int, do func(name string)) error {
	fd, err := disk.open(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "drop directory")
	defer f.Close()
	for {
		names, err := f.Readdirnames(512)
		for _, name := range names {
			do(name)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// inspect says what to do about a file that has looked the same for so long:
// offer the drop, refuse it, wait (and for how long), or, with three zero
// values, pass it over until something happens to it.
func (s *spool) inspect(dir int, f found, still time.Duration) (lwa.Drop, refusal, time.Duration) {
	refused := refuseKind(f)
	if refused == (refusal{}) {
		refused = s.asked.refuseOwner(f)
	}
	if refused == (refusal{}) && f.file.size == 0 {
		return lwa.Drop{}, refusal{}, 0 // somebody is about to write
	}
	var text []byte
	if refused == (refusal{}) {
		var err error
		text, err = readDropped(s.disk, dir, f.file)
		switch {
		case errors.Is(err, errChanged):
			return lwa.Drop{}, refusal{}, minPause
		case err != nil:
			refused = refuseReading(f.file, err)
		}
	}
	var drop lwa.Drop
	if refused == (refusal{}) {
		var err error
		drop, err = lwa.ParseDrop(text)
		complete := endsInNewline(text)
		switch {
		case err != nil:
			refused = refuseText(f.file, err)
			if still >= settleTime {
				s.wrongs[f.file] = refused
			}
		case complete:
			return drop, refusal{}, 0
		case drop.Address && (len(drop.State) < lwa.StateLength || endsInCode(text)) && still < addressTime:
			return lwa.Drop{}, refusal{}, addressTime - still
		}
	}
	if still < settleTime {
		return lwa.Drop{}, refusal{}, settleTime - still
	}
	return drop, refused, 0
}

// endsInCode reports whether the code is the last parameter of an address, so
// that it is the code that would be cut: some servers put it there.
func endsInCode(text []byte) bool {
	last := text[bytes.LastIndexAny(text, "?&")+1:]
	return bytes.HasPrefix(last, []byte("code="))
}

// endsInNewline reports whether the last thing that was written is a line's
// end, in UTF-8 or either UTF-16.
func endsInNewline(text []byte) bool {
	text = bytes.TrimRight(text, "\x00")
	return bytes.HasSuffix(text, []byte("\n")) || bytes.HasSuffix(text, []byte("\r"))
}
