package display

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of linux/kd.h.
const (
	kdGetKeyboardMode = 0x4b44 // KDGKBMODE: answered by virtual consoles alone
	giUnicodeMap      = 0x4b66 // GIO_UNIMAP: the characters that the console's font has
)

const halfBlock = 0x2580

// unicodePair is struct unipair, unicodeMap struct unimapdesc of linux/kd.h.
type unicodePair struct{ unicode, _ uint16 }

type unicodeMap struct {
	count   uint16
	entries *unicodePair
}

// isVT reports whether fd is a virtual console of Linux.
func isVT(fd int) bool {
	_, err := unix.IoctlGetInt(fd, kdGetKeyboardMode)
	return err == nil
}

// noHalfBlock says why the virtual console fd cannot show U+2580. Most fonts of
// Debian's console-setup lack it, and a QR code comes out as diamonds that
// nothing can read.
func noHalfBlock(fd int) string {
	entries, err := unicodeMapOf(fd)
	if err != nil {
		return fmt.Sprintf("it is not known whether this console's font has U+2580 (%v)", err)
	}
	for _, e := range entries {
		if e.unicode == halfBlock {
			return ""
		}
	}
	return "this console's font lacks U+2580 (setfont can change it)"
}

func unicodeMapOf(fd int) ([]unicodePair, error) {
	for size := 4096; size <= 65535; size = size*4 - 1 {
		entries := make([]unicodePair, size)
		m := unicodeMap{count: uint16(size), entries: &entries[0]}
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), giUnicodeMap, uintptr(unsafe.Pointer(&m)))
		switch {
		case errors.Is(errno, unix.ENOMEM):
			continue
		case errno != 0:
			return nil, errno
		}
		return entries[:min(int(m.count), size)], nil
	}
	return nil, unix.ENOMEM
}
