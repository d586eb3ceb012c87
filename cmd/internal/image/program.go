package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// machines are the processors that the program is built for, by the numbers of
// elf(5).
func machineName(number uint16) string {
	switch number {
	case 40:
		return "arm"
	case 62:
		return "amd64"
	case 183:
		return "arm64"
	case 243:
		return "riscv64"
	}
	return fmt.Sprintf("machine %d", number)
}

var errNotELF = errors.New("no program of Linux")

// machineOf reads the processor of a program from the head of its file.
func machineOf(r io.Reader) (string, error) {
	var head [20]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || !bytes.HasPrefix(head[:], []byte("\x7fELF")) {
		return "", errNotELF
	}
	return machineName(binary.LittleEndian.Uint16(head[18:])), nil
}

// Fits reports a program that the image cannot run: no program, or one of
// another processor than the image's own. Where the image has none yet, every
// program fits.
func (i *Image) Fits(program string) error {
	f, err := os.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	ours, err := machineOf(f)
	if err != nil {
		return fmt.Errorf("%s is %w; give the one that was built for the image's processor", program, err)
	}
	for _, name := range []string{"usr/lib/systemd/systemd", "lib/systemd/systemd", "usr/bin/sh", "bin/sh", "bin/busybox"} {
		own, err := i.root.Open(name)
		if err != nil {
			continue
		}
		theirs, err := machineOf(own)
		own.Close()
		if err == nil && theirs != ours {
			return fmt.Errorf("%s is for %s, and %s is for %s; give the one for the image: --binary FILE", program, ours, i.path(name), theirs)
		}
		if err == nil {
			return nil
		}
	}
	return nil
}
