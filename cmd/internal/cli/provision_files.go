package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lwa-agent/cmd/internal/config"

	"golang.org/x/sys/unix"
)

// bootFile is one of the two that somebody put on the boot partition.
type bootFile struct {
	name, path string
	text       []byte
}

// isOverwritten reports whether it is a secret of which wipe left nothing but the
// name before the power went: it was taken over by then.
func (f *bootFile) isOverwritten() bool {
	return len(f.text) > 0 && len(bytes.Trim(f.text, "\x00")) == 0
}

// findBootFile reads the file of a name, or of that name with .txt behind it,
// which Windows adds and does not show. Nil: there is none. Where the boot
// partition is no FAT but a directory of the system, it could be anything.
func findBootFile(dir, name string) (*bootFile, error) {
	var found *bootFile
	for _, name := range []string{name, name + ".txt"} {
		f := &bootFile{name: name, path: filepath.Join(dir, name)}
		var err error
		switch f.text, err = readBootFile(f.path); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w; put a text file of that name there", name, err)
		case found != nil:
			return nil, fmt.Errorf("there are both %s and %s; remove the one that is not meant", found.name, name)
		}
		found = f
	}
	return found, nil
}

func readBootFile(path string) ([]byte, error) {
	// Neither a link to a file that only root may read, nor a pipe that nobody writes to.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, errors.New("it is a link")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, config.MaxSize+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > config.MaxSize:
		return nil, errors.New("it is larger than 64 KiB")
	case strings.HasPrefix(string(text), "\xff\xfe") || strings.HasPrefix(string(text), "\xfe\xff"):
		return nil, errors.New("it is UTF-16 text; save it as UTF-8")
	}
	return text, nil
}

// clear takes both files off the partition: the secret for good, as far as that
// can be said of flash, and the configuration by another name. On a partition
// that cannot be written it is noted that they were seen.
func (p *provision) clear() error {
	var err error
	if p.secret != nil {
		if err = wipe(p.secret.path); err == nil {
			p.done = append(p.done, "The client secret was removed from this partition. (Flash can hold older copies of a file:",
				"if strangers had the card after it was written, make a new secret in Amazon's console.)")
		}
	}
	if p.text != nil {
		renamed := os.Rename(p.text.path, filepath.Join(p.boot, takenConfig))
		if renamed == nil {
			p.done = append(p.done, provisionedConfig+" is called "+takenConfig+" here from now on. To change something, write a new "+provisionedConfig+".")
		}
		err = errors.Join(err, renamed)
	}
	if err == nil {
		_ = os.Remove(p.known())
		return syncDir(p.boot)
	}
	note, noted := create(p.known(), 0o600, 0o755, []byte(p.hash()+"\n"))
	if noted == nil {
		defer note.discard()
		noted = note.place()
	}
	cause := err
	if pathed, is := errors.AsType[*fs.PathError](err); is {
		cause = pathed.Err
	}
	return errors.Join(fmt.Errorf("all was taken over, but it is left on %s: %w; remove %s there yourself", p.boot, cause, p.names()), noted)
}

func (p *provision) names() string {
	var names []string
	for _, f := range []*bootFile{p.secret, p.text} {
		if f != nil {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, " and ")
}

// wipe overwrites a file before it is removed. vfat writes to the clusters that
// the file has, so that a card reader finds zeros there; what the card itself
// keeps of them is its own business.
func wipe(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, min(info.Size(), config.MaxSize)))
	}
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// report says beside the files what became of them: whoever put them there may
// have no other way to hear of it.
func (p *provision) report(trouble error) error {
	lines := p.done
	for _, line := range lines {
		p.say("%s", line)
	}
	switch {
	case trouble == nil:
		lines = append(lines, "The agent starts with it. To link the device, look at its display, or: lwa-agent link")
	case len(lines) == 0:
		lines = []string{"It was not taken over. The configuration of before, if there was one, stays in use."}
		fallthrough
	default:
		lines = append(lines, strings.Split(trouble.Error(), "\n")...)
	}
	for n, line := range lines {
		lines[n] = printable(line)
	}
	path := filepath.Join(p.boot, provisionResult)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unreported(path, err)
	}
	// Not through a link that somebody has put there.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return unreported(path, err)
	}
	_, err = f.WriteString(strings.Join(lines, "\r\n") + "\r\n") // for Windows' sake
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return unreported(path, err)
	}
	return nil
}

func unreported(path string, err error) error {
	if pathed, is := errors.AsType[*fs.PathError](err); is {
		err = pathed.Err
	}
	return fmt.Errorf("%s cannot be written: %w; what became of it stands in the journal alone", path, err)
}
