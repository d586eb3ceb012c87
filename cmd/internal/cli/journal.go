package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	journalPath = "/run/systemd/journal/socket"
	// journalPatience bounds how long a journal that hangs can hold the agent up.
	journalPatience = time.Second
	// fieldPrefix keeps our fields apart from those of the journal and of others
	// (systemd.journal-fields(7)).
	fieldPrefix = "LWA_"
)

// journalHandler writes to systemd's journal with a field for each attribute, so
// that "journalctl LWA_STATE=unlinked" finds what a line of text hides. MESSAGE is
// the message with its attributes, as on a line.
type journalHandler struct {
	path  string       // of the journal's socket
	inner slog.Handler // writes the text of a record to line
	line  *line
	attrs []slog.Attr // of WithAttrs
}

// line is where a record becomes text, and where that goes when the journal does
// not take it.
type line struct {
	sync.Mutex
	bytes.Buffer
	fallback io.Writer
}

// newJournalHandler returns a handler that writes to the journal at path, and to
// fallback what that does not take.
func newJournalHandler(path string, fallback io.Writer) *journalHandler {
	l := &line{fallback: fallback}
	return &journalHandler{path: path, line: l, inner: slog.NewTextHandler(l, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
				return slog.Attr{} // fields of their own
			}
			return a
		},
	})}
}

// stderrIsJournal reports whether out is the journal, as systemd says by the
// numbers of its device and inode in JOURNAL_STREAM (systemd.exec(5)): the variable
// alone is inherited by what writes elsewhere.
func stderrIsJournal(out io.Writer, stream string) bool {
	f, ok := out.(*os.File)
	if !ok || stream == "" {
		return false
	}
	var st syscall.Stat_t
	return syscall.Fstat(int(f.Fd()), &st) == nil && stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.line.Lock()
	defer h.line.Unlock()
	h.line.Reset()
	if err := h.inner.Handle(ctx, r); err != nil {
		return err
	}
	message := strings.TrimSpace(r.Message + " " + h.line.String())
	entry := field(nil, "MESSAGE", message)
	entry = field(entry, "PRIORITY", priority(r.Level))
	entry = field(entry, "SYSLOG_IDENTIFIER", "lwa-agent")
	add := func(a slog.Attr) bool {
		if name := fieldName(a.Key); name != "" {
			entry = field(entry, name, a.Value.Resolve().String())
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	if h.send(ctx, entry) == nil {
		return nil
	}
	_, err := fmt.Fprintf(h.line.fallback, "<%s>%s\n", priority(r.Level), message) // sd-daemon(3)
	return err
}

// send makes a connection for each entry: there are a few a day, and the journal
// may have been restarted since the last.
func (h *journalHandler) send(ctx context.Context, entry []byte) error {
	c, err := new(net.Dialer).DialContext(context.WithoutCancel(ctx), "unixgram", h.path) // at once: nobody is waited for
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(journalPatience)); err != nil {
		return err
	}
	_, err = c.Write(entry)
	return err
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = slices.Concat(h.attrs, attrs)
	with.inner = h.inner.WithAttrs(attrs)
	return &with
}

// WithGroup changes the text alone: a field's name has no room for groups, and
// nothing of ours has any.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.inner = h.inner.WithGroup(name)
	return &with
}

// priority is the level as syslog counts (syslog(3)).
func priority(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "3"
	case l >= slog.LevelWarn:
		return "4"
	case l >= slog.LevelInfo:
		return "6"
	}
	return "7"
}

// fieldName is the name of an attribute's field: capitals, digits and underscores,
// 64 at most, or the journal passes it over.
func fieldName(key string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, key)
	if name == "" || len(fieldPrefix+name) > 64 {
		return ""
	}
	return fieldPrefix + name
}

// field adds a field in the journal's native form: a text with a line break has its
// length before it, or it could be followed by fields of somebody else's.
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/)
func field(entry []byte, name, text string) []byte {
	entry = append(entry, name...)
	if !strings.Contains(text, "\n") {
		entry = append(entry, '=')
		entry = append(entry, text...)
		return append(entry, '\n')
	}
	entry = append(entry, '\n')
	entry = binary.LittleEndian.AppendUint64(entry, uint64(len(text)))
	entry = append(entry, text...)
	return append(entry, '\n')
}
