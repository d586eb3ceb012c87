package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
	"lwa-agent/lwa/lwatest/harness"
)

// asNobody runs do as a user who owns nothing, as far as files go.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		harness.Missing(t, "only root can become somebody else")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread is thrown away
		if err := errors.Join(unix.Setfsgid(65534), unix.Setfsuid(65534)); err != nil {
			t.Error(err)
			return
		}
		do()
	}()
	<-done
}

// ofSomebodyElse gives the directory to nobody, and leaves what is in it to root.
func (d stateDir) ofSomebodyElse() {
	d.t.Helper()
	must(d.t, os.Chmod(filepath.Dir(filepath.Dir(d.path)), 0o755))
	must(d.t, os.Chmod(filepath.Dir(d.path), 0o755))
	must(d.t, os.Chown(d.path, 65534, 65534))
	must(d.t, os.Remove(d.file(lockName)))
}

// A restore by root leaves files that are not the agent's. It must neither use
// what everybody has read, nor write over what it cannot read.
func TestForeignRecordIsNeitherUsedNorWrittenOver(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644} {
		d := newStateDir(t)
		d.save(fullRecord("a"), fullRecord("b"))
		d.ofSomebodyElse()
		must(t, os.Chmod(d.file(currentName), mode))
		before := d.read(currentName)
		asNobody(t, func() {
			s, err := openStore(d.path, kernel{})
			if err != nil {
				t.Errorf("mode %o: %v; want a start, for the person must see what is wrong", mode, err)
				return
			}
			defer s.close()
			if r, err := s.load(); !r.Link.isZero() || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), d.file(currentName)) {
				t.Errorf("mode %o: load gives a link: %v, and %v; want it refused and the file named", mode, !r.Link.isZero(), err)
			}
			for _, save := range []func(record) error{s.save, s.forget} {
				if err := save(record{}); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("mode %o: a save gives %v: the link would be written over", mode, err)
				}
			}
			a := &Agent{store: s}
			if hint := a.cureOfStore(s.blocked); !strings.Contains(hint, "chown") {
				t.Errorf("hint %q, want the command that mends it", hint)
			}
		})
		if !bytes.Equal(d.read(currentName), before) {
			t.Errorf("mode %o: the record was changed", mode)
		}
	}
}

// Who links the device again, as other damage wants it, would find out that the
// new link cannot be saved either.
func TestForeignRecordIsToldWithTheCommandThatMendsIt(t *testing.T) {
	d := newStateDir(t)
	d.save(fullRecord("a"), fullRecord("b"))
	d.ofSomebodyElse()
	asNobody(t, func() {
		a, err := New(Config{Method: MethodCode, StateDir: d.path, Log: quietLog(), Uptime: Uptime})
		if err != nil {
			t.Error(err)
			return
		}
		defer a.close()
		s := a.view.Load().status
		if p := s.LastError; p == nil || !strings.Contains(p.Message, d.file(currentName)) || !strings.Contains(p.Hint, "chown") {
			t.Errorf("the status says %q and %+v; want the file, and the command that mends it", s.Reason, p)
		}
	})
}

func TestSecondAgentIsToldTheProcessOfTheFirstAndTouchesNoSocket(t *testing.T) {
	t.Parallel()
	p := newProcess(t, MethodCode, 1, lwatest.Options{})
	p.begin()
	_, err := New(Config{StateDir: p.State, RuntimeDir: p.Run, Log: quietLog(), Uptime: Uptime})
	if want := fmt.Sprintf("(process %d)", p.cmd.Process.Pid); !errors.Is(err, errLocked) || !strings.Contains(err.Error(), want) {
		t.Errorf("a second agent: %v; want it refused, with %s", err, want)
	}
	if a := p.request(p.client(agentSockName), http.MethodGet, "/status", ""); a.status != 200 {
		t.Errorf("after the second agent the first answers %d %s: its sockets were touched", a.status, a.text)
	}
	p.kill()
	begin := time.Now()
	p.begin()
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("after kill -9 a start took %v: the lock was not free", took)
	}
}

// What the first release wrote is read by every later one. The files are
// what it wrote; a change of the format must not change them.
func TestRecordOfTheFirstReleaseIsStillRead(t *testing.T) {
	want := fullRecord("golden")
	want.Link.Scopes = "alexa:all profile"
	for _, name := range []string{"record-v1.json", "record-v1-unlinked.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		must(t, err)
		d := newStateDir(t)
		d.open().close()
		must(t, os.WriteFile(d.file(currentName), text, 0o600))
		got, err := d.load()
		must(t, err)
		if name == "record-v1-unlinked.json" {
			want = record{Attempts: want.Attempts, Codes: want.Codes}
		}
		wantRecord(t, got, want, name)
		if !bytes.Equal(d.read(currentName), text) {
			t.Errorf("%s was rewritten by a start: an older version could not go back to it", name)
		}
	}
}

func TestSerialNumberThatIsCutShortIsNotUsed(t *testing.T) {
	d := newStateDir(t)
	d.serial()
	whole := d.read(serialName)
	for n := range whole {
		must(t, os.WriteFile(d.file(serialName), whole[:n], 0o600))
		s := d.open()
		serial, err := s.serial()
		must(t, errors.Join(err, s.close()))
		if len(serial) != 16 || serial == string(whole[:n]) {
			t.Errorf("cut after %d bytes it is %q: the account would show a second device for ever", n, serial)
		}
		if kept := d.read(serialName + ".damaged"); !bytes.Equal(kept, whole[:n]) {
			t.Errorf("cut after %d bytes %q is kept as evidence", n, kept)
		}
	}
}
