package cli

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lwa-agent/lwa"
)

// journal is systemd's, simulated: it takes entries as the protocol says and
// nothing else (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
type journal struct {
	t    *testing.T
	path string
	conn *net.UnixConn
}

func newJournal(t *testing.T) *journal {
	t.Helper()
	dir, err := os.MkdirTemp("", "lwa") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	j := &journal{t: t, path: filepath.Join(dir, "socket")}
	j.listen()
	return j
}

func (j *journal) listen() {
	j.t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.path, Net: "unixgram"})
	if err != nil {
		j.t.Fatal(err)
	}
	j.conn = conn
	j.t.Cleanup(func() { conn.Close() })
}

// entry waits for the next one and returns its fields.
func (j *journal) entry() map[string]string {
	j.t.Helper()
	datagram := make([]byte, 1<<20)
	if err := j.conn.SetReadDeadline(time.Now().Add(commandPatience)); err != nil {
		j.t.Fatal(err)
	}
	n, err := j.conn.Read(datagram)
	if err != nil {
		j.t.Fatalf("no entry came: %v", err)
	}
	fields, err := readEntry(string(datagram[:n]))
	if err != nil {
		j.t.Errorf("the journal would not take %q: %v", datagram[:n], err)
	}
	return fields
}

func readEntry(text string) (map[string]string, error) {
	fields := map[string]string{}
	for text != "" {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return fields, errors.New("a line that does not end")
		}
		name, value, simple := strings.Cut(line, "=")
		if !simple {
			if len(rest) < 8 {
				return fields, errors.New("a length is missing")
			}
			n := binary.LittleEndian.Uint64([]byte(rest[:8]))
			if rest = rest[8:]; n >= uint64(len(rest)) || rest[n] != '\n' {
				return fields, errors.New("a wrong length")
			}
			value, rest = rest[:n], rest[n+1:]
		}
		switch {
		case name == "" || len(name) > 64 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || strings.ContainsAny(name[:1], "_0123456789"):
			return fields, fmt.Errorf("%q is no name of a field", name)
		case fields[name] != "":
			return fields, fmt.Errorf("%s is there twice", name)
		}
		fields[name], text = value, rest
	}
	return fields, nil
}

func TestJournalGetsAFieldForEachAttribute(t *testing.T) {
	j := newJournal(t)
	log := slog.New(newJournalHandler(j.path, io.Discard)).With("code", "network")
	log.Warn("api.amazon.com cannot be reached", "hint", "check the network", "tries", 3, "token", lwa.NewSecret("Atza|canary"), "empty", "",
		"lines", "one\nLWA_FORGED=yes\ntwo")
	got := j.entry()
	for name, want := range map[string]string{
		"MESSAGE":           `api.amazon.com cannot be reached code=network hint="check the network" tries=3 token=[secret] empty="" lines="one\nLWA_FORGED=yes\ntwo"`,
		"PRIORITY":          "4",
		"SYSLOG_IDENTIFIER": "lwa-agent",
		"LWA_CODE":          "network", "LWA_HINT": "check the network", "LWA_TRIES": "3", "LWA_TOKEN": "[secret]", "LWA_EMPTY": "",
		"LWA_LINES": "one\nLWA_FORGED=yes\ntwo",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("there are fields besides: %q", got)
	}
}

func TestPrioritiesAreSyslogs(t *testing.T) {
	j := newJournal(t)
	log := slog.New(newJournalHandler(j.path, io.Discard))
	log.Debug("for nobody")
	for want, say := range map[string]func(string, ...any){"6": log.Info, "4": log.Warn, "3": log.Error} {
		say("x")
		if got := j.entry(); got["PRIORITY"] != want || got["MESSAGE"] != "x" {
			t.Errorf("%q, want priority %s and the message alone", got, want)
		}
	}
}

func TestWhatIsNoNameOfAFieldIsMadeOne(t *testing.T) {
	for key, want := range map[string]string{"min_valid": "LWA_MIN_VALID", "a-b.c": "LWA_A_B_C", "é": "LWA__", "": "", strings.Repeat("x", 61): "", strings.Repeat("x", 60): "LWA_" + strings.Repeat("X", 60)} {
		if got := fieldName(key); got != want {
			t.Errorf("%q becomes %q, want %q", key, got, want)
		}
	}
}

// TestJournalThatIsAwayLosesNothing: it is restarted in upgrades.
func TestJournalThatIsAwayLosesNothing(t *testing.T) {
	j := newJournal(t)
	var stderr lockedBuffer
	log := slog.New(newJournalHandler(j.path, &stderr))
	log.Info("first")
	j.entry()
	j.conn.Close()
	log.Error("second", "code", "x")
	if got, want := stderr.String(), "<3>second code=x\n"; got != want {
		t.Errorf("without a journal stderr gets %q, want %q", got, want)
	}
	if err := os.Remove(j.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	j.listen()
	log.Info("third")
	if got := j.entry(); got["MESSAGE"] != "third" {
		t.Errorf("after a restart of the journal it gets %q", got)
	}
}

func TestOnlyTheJournalItselfIsTakenForIt(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	this := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	if !stderrIsJournal(file, this) {
		t.Error("systemd says that stderr is the journal, and it is not believed")
	}
	for _, stream := range []string{"", "8:1", this + "0", "journal"} {
		if stderrIsJournal(file, stream) {
			t.Errorf("JOURNAL_STREAM=%s: a file is taken for the journal, and stays empty", stream)
		}
	}
	if stderrIsJournal(&lockedBuffer{}, this) {
		t.Error("a buffer is taken for the journal")
	}
}

// TestChangesOfStateAreFoundInARealJournal has systemd's own journal in a /run of
// its own, and the agent write to it as under a unit.
func TestChangesOfStateAreFoundInARealJournal(t *testing.T) {
	t.Parallel()
	needs(t, "unshare", "systemd-cat", "journalctl", "/lib/systemd/systemd-journald")
	if os.Geteuid() != 0 {
		needs(t, "root, for a /run of its own")
	}
	u := newDevice(t)
	// systemd-cat connects stderr to the journal; that it is the journal systemd
	// itself says with JOURNAL_STREAM.
	const script = `
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal /run/log/journal || exit
/lib/systemd/systemd-journald 2>/dev/null &
await() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 200 ] || exit 9; sleep 0.05; done; }
find_entry() { journalctl -q -D /run/log/journal/* -o json "$@" 2>/dev/null | grep .; }
await test -S /run/systemd/journal/socket
await test -S /run/systemd/journal/stdout
systemd-cat sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec lwa-agent run' &
await find_entry --output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,LWA_STATE,LWA_METHOD,LWA_REASON LWA_STATE=unlinked
await find_entry SYSLOG_IDENTIFIER=lwa-agent "MESSAGE=a link is offered" >>all
`
	cmd := u.command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var entry map[string]string
	if err := json.Unmarshal(out, &entry); err != nil {
		t.Fatalf("%v: the journal has %s, want the one change of state", err, out)
	}
	for name, want := range map[string]string{
		"MESSAGE":  `unlinked state=unlinked method=code reason="not linked yet"`,
		"PRIORITY": "6", "SYSLOG_IDENTIFIER": "lwa-agent", "LWA_STATE": "unlinked", "LWA_METHOD": "code", "LWA_REASON": "not linked yet",
	} {
		if entry[name] != want {
			t.Errorf("%s is %q, want %q", name, entry[name], want)
		}
	}
	u.await("all", `"a link is offered"`)
}
