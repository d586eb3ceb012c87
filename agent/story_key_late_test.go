package agent

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lwa-agent/lwa/lwatest"
)

// What could not be encrypted at the start is encrypted as soon as that works,
// and until then it is said.
func TestLinkThatCannotBeEncryptedYetIsWarnedOf(t *testing.T) {
	t.Parallel()
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.shutDown()
		bad := &badDisk{}
		h.cfg.disk, h.cfg.StoreKeyFile = failingUntil{bad}, keyFile(t, 1)
		h.powerOn()
		h.wantState(Linked, "the link is used all the same")
		h.wantWarning("store_plain", true, "the disk took nothing")
		if m := samples(t, metricsOf(h.agent.view.Load(), nil, h.cfg.Uptime())); m["lwa_agent_store_encrypted"] != 0 || m[`lwa_agent_warning{code="store_plain"}`] != 1 {
			t.Errorf("who watches a fleet takes this device for encrypted: %v", m)
		}
		h.pass(2 * storeRetryMost)
		h.wantWarning("store_plain", true, "still")
		bad.mend()
		h.pass(2 * storeRetryMost)
		h.wantWarning("store_plain", false, "the disk is mended")
		if m := samples(t, metricsOf(h.agent.view.Load(), nil, h.cfg.Uptime())); m["lwa_agent_store_encrypted"] != 1 {
			t.Errorf("who watches a fleet does not hear that this device is encrypted: %v", m)
		}
		if names := h.dir().holding("Atzr|"); len(names) > 0 {
			t.Errorf("it stands in %v", names)
		}
	})
}

// failingUntil makes no file until it is mended.
type failingUntil struct{ *badDisk }

func (d failingUntil) open(dir int, name string, flags int, mode uint32) (int, error) {
	if flags&os.O_CREATE != 0 && !d.mended.Load() {
		return -1, unix.EIO
	}
	return d.badDisk.open(dir, name, flags, mode)
}

// TestLinkIsNotCalledEncryptedWhilePlainTextIsLeft: whoever reads the log would hand
// the card on.
func TestLinkIsNotCalledEncryptedWhilePlainTextIsLeft(t *testing.T) {
	t.Parallel()
	codeStory(t, lwatest.Options{}, func(t *testing.T, h *house) {
		h.link()
		h.shutDown()
		once := &takesOne{badDisk: &badDisk{}}
		h.cfg.disk, h.cfg.StoreKeyFile = once, keyFile(t, 1)
		h.powerOn()
		h.wantWarning("store_plain", true, "one generation alone is encrypted")
		const done = "the link is encrypted on the disk"
		if strings.Contains(h.log.String(), done) {
			t.Errorf("the log says that all is done, and it stands in %v", h.dir().holding("Atzr|"))
		}
		once.mend()
		h.pass(2 * storeRetryMost)
		h.wantWarning("store_plain", false, "the disk is mended")
		if n := strings.Count(h.log.String(), done); n != 1 {
			t.Errorf("the log says %d times that it is done, want once, when it is", n)
		}
	})
}

// takesOne lets one record be written until it is mended.
type takesOne struct {
	*badDisk
	records int
}

func (d *takesOne) open(dir int, name string, flags int, mode uint32) (int, error) {
	if flags&os.O_CREATE != 0 && name == currentName+".tmp" && !d.mended.Load() {
		if d.records++; d.records > 1 {
			return -1, unix.EIO
		}
	}
	return d.badDisk.open(dir, name, flags, mode)
}
