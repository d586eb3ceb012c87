package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"lwa-agent/lwa"
)

// maxTranscript bounds the file of a transcript, in bytes: it shares a disk with the
// link. A day of code-based linking has some 3 MB.
const maxTranscript = 16 << 20

// openTranscript makes a file that nobody has yet. end says whether all of it was
// written.
func openTranscript(path string) (t *lwa.Transcript, end func() error, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("the transcript cannot be written: %w; name a new file", err)
	}
	t = lwa.NewTranscript(&boundedWriter{file, maxTranscript})
	return t, func() error { return errors.Join(t.Err(), file.Close()) }, nil
}

// boundedWriter refuses what does not fit any more.
type boundedWriter struct {
	out  io.Writer
	left int
}

func (w *boundedWriter) Write(p []byte) (int, error) {
	if len(p) > w.left {
		w.left = 0 // a line that is missing may not be followed by another
		return 0, fmt.Errorf("it would outgrow %d MiB", maxTranscript>>20)
	}
	n, err := w.out.Write(p)
	w.left -= n
	return n, err
}
