package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa"
	"lwa-agent/lwa/lwatest"
)

// From a new device to a rotated token, with the k-th call to the disk failing
// in each way, for all k: the person may have to sign in once more, but no code
// goes out twice, what is called saved is saved, and in the end all is.
func TestLinkingAndRotationWithEachCallToTheDiskFailing(t *testing.T) {
	t.Parallel()
	all := faults()
	every := 11 // of the faults; all of them with the tag deep
	if deep {
		every = 1
	}
	told, fired := 0, 0
	for i, f := range all {
		if f.crash {
			continue // kills have their own story
		}
		for at := 1 + i%every; ; at += every {
			more := true
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, lwatest.Options{Rotate: true}, lwatest.MobileClientID, MethodCode)
				defer h.end()
				bad := &badDisk{fault: f, at: at}
				h.cfg.disk = bad
				told += h.linkOnBadDisk(fmt.Sprintf("%s at call %d", f.name, at), bad)
				more = bad.fired
			})
			if !more || t.Failed() {
				break
			}
			fired++
		}
	}
	if fired < 30 || told == 0 {
		t.Errorf("%d faults came up, of which the status told %d times", fired, told)
	}
	t.Logf("%d faults, told of %d times", fired, told)
}

// linkOnBadDisk links and rotates; told is 1 when the status spoke of the disk.
func (h *house) linkOnBadDisk(what string, bad *badDisk) (told int) {
	h.powerOn()
	wentWrong := func() bool { p := h.status().LastError; return p != nil && strings.HasPrefix(p.Code, "store") }
	h.until(what+": a QR code, or trouble with the disk", time.Minute, func() bool { return h.status().AuthorizeURL != "" || wentWrong() })
	for tries := 0; h.status().State != Linked; tries++ {
		if wentWrong() {
			told = 1
			bad.mend()
		}
		if tries > 3 {
			h.t.Fatalf("%s: no link comes about: %+v", what, h.status())
		}
		h.until(what+": a QR code", 2*time.Minute, func() bool { return h.status().AuthorizeURL != "" })
		h.post(h.signIn())
		h.pass(time.Minute)
	}
	h.checkSaved(what)
	bad.mend()
	h.until(what+": saved after the disk was mended", 11*time.Minute, func() bool { return !h.inUse().unsaved })
	h.pass(2 * time.Hour)
	h.checkSaved(what)
	h.kill()
	h.powerOn()
	h.wantState(Linked, what+": after a power cut")
	return told
}

// checkSaved compares what the status says with the disk.
func (h *house) checkSaved(what string) {
	h.t.Helper()
	s := h.wantState(Linked, what)
	use := h.inUse()
	if use.unsaved {
		if !strings.Contains(s.Reason, "would not survive a power cut") {
			h.t.Errorf("%s: the link is not saved, and the status says %q", what, s.Reason)
		}
		return
	}
	if h.onDisk().Link.Refresh != use.token {
		h.t.Errorf("%s: the link in use is not the one on the disk, and nothing says so", what)
	}
}

// A new refresh token that cannot be saved is used from memory, said, saved
// again ever more rarely, and saved at once when the disk can be written.
func TestUnsavedTokenIsSavedAgainWithABackoff(t *testing.T) {
	t.Parallel()
	for _, err := range []error{unix.EIO, unix.ENOSPC, unix.EROFS} {
		codeStory(t, lwatest.Options{Rotate: true}, func(t *testing.T, h *house) {
			h.link()
			before := h.onDisk().Link.Refresh
			h.pass(10 * time.Minute)
			saves := &failingSaves{err: err}
			h.inLoop(func() { h.agent.store.disk = saves })
			h.until("a rotated token", 46*time.Minute, func() bool { return h.inUse().unsaved })
			s := h.wantState(Linked, "the token in memory is good")
			if !strings.Contains(s.Reason, "would not survive a power cut") || s.LastError == nil || s.LastError.Code != "store" || s.LastError.Hint == "" {
				t.Errorf("%v: the status says %q and %+v; want that a power cut would cost the link, and the cure", err, s.Reason, s.LastError)
			}
			h.wantToken("the disk fails, Amazon does not")
			if h.onDisk().Link.Refresh != before {
				t.Errorf("%v: the disk changed", err)
			}
			h.inLoop(func() {
				h.agent.m.refresh = idle() // a refresh would save, too
				saves.tries = nil
			})
			h.pass(4 * time.Hour)
			if n := len(saves.tries); n < 20 || n > 35 {
				t.Errorf("%v: saved again %d times in four hours, want each 10 minutes in the end", err, n)
			}
			h.inLoop(func() { saves.err = nil })
			h.until("saved", storeRetryMost, func() bool { return !h.inUse().unsaved })
			if s := h.status(); s.Reason != "linked, but there is no valid access token now" || s.LastError != nil {
				t.Errorf("%v: saved, and the status says %q and %+v", err, s.Reason, s.LastError)
			}
			if h.onDisk().Link.Refresh == before {
				t.Errorf("%v: called saved, and the old token is on the disk", err)
			}
		})
	}
}

func TestUnsavedTokenIsSavedOnceMoreAtTheEnd(t *testing.T) {
	t.Parallel()
	codeStory(t, lwatest.Options{Rotate: true}, func(t *testing.T, h *house) {
		h.link()
		saves := &failingSaves{err: unix.EIO}
		h.inLoop(func() { h.agent.store.disk = saves })
		h.until("a rotated token", 46*time.Minute, func() bool { return h.inUse().unsaved })
		token := h.inUse().token
		h.inLoop(func() { saves.err = nil })
		h.shutDown() // before the next try
		if h.onDisk().Link.Refresh != token {
			t.Error("stopped with the only copy of the token in memory, on a disk that works again")
		}
	})
}

// inLoop changes what the loop owns.
func (h *house) inLoop(change func()) {
	h.t.Helper()
	done := make(chan struct{})
	h.agent.jobs <- func() { change(); close(done) }
	<-done
}

// inUse is the link that the loop uses.
func (h *house) inUse() (use struct {
	token   lwa.Secret
	unsaved bool
},
) {
	h.t.Helper()
	h.inLoop(func() { use.token, use.unsaved = h.agent.m.rec.Link.Refresh, h.agent.m.unsaved })
	return use
}

// failingSaves fails each write, and notes when.
type failingSaves struct {
	kernel
	err   error
	tries []time.Time
}

func (d *failingSaves) open(dir int, name string, flags int, mode uint32) (int, error) {
	if flags&unix.O_CREAT == 0 || d.err == nil {
		return d.kernel.open(dir, name, flags, mode)
	}
	d.tries = append(d.tries, time.Now())
	return -1, d.err
}

// The disk fills up while a QR code is shown: the status says so before a
// person signs in for nothing, and a code that comes all the same is not sent.
func TestDiskThatFillsUpIsSaidBeforeACodeIsBurnt(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	for _, how := range []string{"full", "room for a code and not for a link", "read-only"} {
		d := smallDisk(t)
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, lwatest.Options{}, lwatest.MobileClientID, MethodCode)
			defer h.end()
			h.cfg.StateDir = d.path
			h.powerOn()
			h.wantError("", "there is room")
			back := h.signIn()
			mount := strings.TrimSuffix(d.path, "/state")
			filler := ""
			if how == "read-only" {
				must(t, unix.Mount("", mount, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=64k"))
			} else {
				filler = d.fill()
				if how != "full" {
					st, err := os.Stat(filler)
					must(t, err)
					must(t, os.Truncate(filler, st.Size()-16<<10))
				}
			}
			h.pass(tickOffer)
			if p := h.wantError("store", "the disk cannot be written while a QR code is shown"); p.Hint == "" {
				t.Errorf("%+v; want what to do", p)
			}
			if r := h.post(back); r.outcome != notSaved {
				t.Errorf("%s: a code is answered with %d, want that it cannot be kept", how, r.outcome)
			}
			h.pass(time.Minute)
			if n := h.sim.Count(lwatest.Exchange); n != 0 {
				t.Errorf("%s: %d codes were burnt for a link that cannot be kept", how, n)
			}
			must(t, unix.Mount("", mount, "", unix.MS_REMOUNT, "size=128k"))
			if filler != "" {
				must(t, unix.Unlink(filler))
			}
			h.pass(tickOffer)
			h.wantError("", "there is room again")
			h.post(back)
			h.until("linked by the same code", time.Minute, h.is(Linked))
		})
	}
}
