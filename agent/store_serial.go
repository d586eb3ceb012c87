package agent

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// serial returns the serial number that was made at the first start, or makes
// it. It outlives unlink: linking again must not make a second device in the
// person's account.
func (s *store) serial() (string, error) {
	text, err := s.readSerial()
	serial := strings.TrimSpace(string(text))
	switch {
	case err == nil && isSerial(serial) && text[len(text)-1] == '\n': // else it may be cut short
		return serial, nil
	case err == nil: // it is kept, for the person's account may know the device by it
		if err := s.rename(serialName, serialName+".damaged"); err != nil {
			return "", s.step("rename", serialName, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	serial = hex.EncodeToString(b)
	if err := s.replace(serialName, []byte(serial+"\n"), false); err != nil {
		return "", err
	}
	return serial, nil
}

// keepSerial writes the serial number that is in use again where its file is
// gone: the directory was made anew, or another mounted over it, and the link
// goes there with the next save.
func (s *store) keepSerial(serial string) error {
	if _, err := s.readSerial(); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.replace(serialName, []byte(serial+"\n"), false)
}

// renumber keeps a serial number that another program gave this device, and the
// one of before beside it.
func (s *store) renumber(serial string) error {
	return s.replace(serialName, []byte(serial+"\n"), true)
}

func (s *store) readSerial() (text []byte, err error) {
	err = s.within(func(dir int) error {
		fd, err := s.disk.open(dir, serialName, unix.O_RDONLY, 0)
		if err != nil {
			return s.step("open", serialName, err)
		}
		defer s.disk.close(fd)
		text, err = readAll(s.disk, fd, 4096)
		return s.step("read", serialName, err)
	})
	return text, err
}

// isSerial reports whether a text can be a serial number: what Amazon and a
// status can show.
func isSerial(text string) bool {
	return text != "" && len(text) <= 128 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
