package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dropOn is a drop directory with a code, an answer of before, and things that
// are none.
func dropOn(t *testing.T, base, name string) (dir string, s *spool) {
	t.Helper()
	dir = filepath.Join(base, name)
	must(t, os.Mkdir(dir, 0o755))
	write(t, filepath.Join(dir, "code.txt"), droppedURL+"\n")
	write(t, filepath.Join(dir, "nonsense"), "a letter, perhaps\n")
	write(t, filepath.Join(dir, resultName), "The answer of before.\n2026-01-02 03:04:05 UTC\n")
	must(t, os.Symlink("/etc/hostname", filepath.Join(dir, "link")))
	return dir, &spool{dir: dir, disk: kernel{}, any: true}
}

// Each call of a look fails in each way: nothing is offered that was not
// dropped, and the next look finds the code.
func TestEachCallOfALookMayFail(t *testing.T) {
	t.Parallel()
	base := inMemory(t).path
	must(t, os.Mkdir(base, 0o700))
	dir, s := dropOn(t, base, "spool")
	fired := 0
	for _, f := range faults() {
		for at := 1; ; at++ {
			now := time.Now()
			bad := &badDisk{fault: f, at: at}
			*s = spool{dir: dir, disk: bad, any: true}
			var r inboxReport
			next := s.look(now, &r)
			if !bad.fired {
				break
			}
			fired++
			for _, o := range r.Offers {
				if o.Drop.Code.Reveal() != droppedText || o.Drop.State != droppedState {
					t.Fatalf("%s at call %d: offers %+v, which nobody dropped", f.name, at, o.Drop)
				}
			}
			if len(r.Offers) == 0 && r.Trouble == (refusal{}) && !mentions(r.Refusals, "code.txt") && next.After(now.Add(settleTime)) && !f.forever && !f.crash {
				// The entry could not be looked at and counts as gone, as it would be if
				// it had been removed; the rescan within 5 s finds it.
				t.Logf("%s at call %d: nothing is seen of the file until the rescan", f.name, at)
			}
			s.disk = kernel{}
			for i := range 2 { // what was refused was not remembered
				r = inboxReport{}
				s.look(now.Add(time.Duration(i+1)*5*time.Second), &r)
			}
			if len(r.Offers) != 1 || r.Offers[0].Drop.Code.Reveal() != droppedText || r.Trouble != (refusal{}) || len(r.Refusals) != 2 {
				t.Fatalf("%s at call %d, and looked again: %+v; want the code, and the two others refused", f.name, at, r)
			}
		}
	}
	if fired < 50 {
		t.Errorf("only %d faults came up", fired)
	}
}

func mentions(refusals []refusal, name string) bool {
	for _, r := range refusals {
		if strings.HasSuffix(r.Path, name) {
			return true
		}
	}
	return false
}

// Each call of a take fails in each way: without an error the file is gone and
// the answer is there; the answer is never half of one; and once the disk
// works a second take does all of it.
func TestEachCallOfATakeMayFail(t *testing.T) {
	t.Parallel()
	base := inMemory(t).path
	must(t, os.Mkdir(base, 0o700))
	fired := 0
	for _, f := range faults() {
		for at := 1; ; at++ {
			dir, _ := dropOn(t, base, "spool")
			file := dropped(t, filepath.Join(dir, "code.txt"))
			bad := &badDisk{fault: f, at: at}
			err := file.take(bad, "This device is now linked.")
			if !bad.fired {
				must(t, os.RemoveAll(dir))
				break
			}
			fired++
			_, gone := os.Lstat(filepath.Join(dir, "code.txt"))
			text, _ := os.ReadFile(filepath.Join(dir, resultName))
			answered := strings.HasPrefix(string(text), "This device is now linked.\n2")
			if !answered && !strings.HasPrefix(string(text), "The answer of before.\n2") || strings.Count(string(text), "\n") != 2 {
				t.Fatalf("%s at call %d: %s reads %q, which is half an answer", f.name, at, resultName, text)
			}
			if err == nil && (!os.IsNotExist(gone) || !answered) {
				t.Fatalf("%s at call %d: taken without an error, and the code is there (%v), the answer %q", f.name, at, gone, text)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("%s at call %d: %q is more than a line", f.name, at, err)
			}
			must(t, file.take(kernel{}, "This device is now linked."))
			names, err := os.ReadDir(dir)
			must(t, err)
			if len(names) != 3 {
				t.Fatalf("%s at call %d, taken again: %v is left", f.name, at, names)
			}
			must(t, os.RemoveAll(dir))
		}
	}
	if fired < 40 {
		t.Errorf("only %d faults came up", fired)
	}
}
