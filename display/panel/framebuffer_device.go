package panel

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fbFile is a framebuffer device of the kernel.
type fbFile struct{ file *os.File }

func (f fbFile) ReadAt(p []byte, at int64) (int, error)  { return f.file.ReadAt(p, at) }
func (f fbFile) WriteAt(p []byte, at int64) (int, error) { return f.file.WriteAt(p, at) }
func (f fbFile) Close() error                            { return f.file.Close() }

// Requests of linux/fb.h.
const (
	fbGetVariable = 0x4600 // FBIOGET_VSCREENINFO
	fbGetFixed    = 0x4602 // FBIOGET_FSCREENINFO
	fbGetConsole  = 0x460f // FBIOGET_CON2FBMAP: which framebuffer a console is on
	fbBlank       = 0x4611 // FBIOBLANK

	unblanked = 0 // FB_BLANK_UNBLANK
	blanked   = 1 // FB_BLANK_NORMAL
)

func openFBFile(path string) (fbFile, error) {
	f, err := framebufferNodes().open(path)
	return fbFile{f}, err
}

func framebufferNodes() nodes {
	return nodes{
		like: "/dev/fb*", subsystem: "graphics", group: "video",
		cure: "the screen is missing, or its driver makes no framebuffer (cat /proc/fb)",
	}
}

func (f fbFile) Mode() (variable, fixed []byte, err error) {
	variable, fixed = make([]byte, variableSize), make([]byte, fixedSize64)
	if unsafe.Sizeof(uintptr(0)) == 4 {
		fixed = fixed[:fixedSize32]
	}
	if err := request(f.file, fbGetVariable, unsafe.Pointer(&variable[0])); err != nil {
		if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
			return nil, nil, fmt.Errorf("it is no framebuffer; one is called /dev/fb0: %w", err)
		}
		return nil, nil, err
	}
	return variable, fixed, request(f.file, fbGetFixed, unsafe.Pointer(&fixed[0]))
}

// shows reports whether the text of console n is drawn into this framebuffer.
// A kernel that cannot tell is taken to do so.
func (f fbFile) shows(n int) bool {
	var st unix.Stat_t
	if f.stat(&st) != nil {
		return true
	}
	on := struct{ console, framebuffer uint32 }{console: uint32(n)} // struct fb_con2fbmap
	err := request(f.file, fbGetConsole, unsafe.Pointer(&on))
	return err != nil || on.framebuffer == unix.Minor(uint64(st.Rdev))
}

func (f fbFile) stat(st *unix.Stat_t) error {
	return ioctl(f.file, func(fd uintptr) unix.Errno {
		err := unix.Fstat(int(fd), st)
		errno, _ := errors.AsType[unix.Errno](err)
		return errno
	})
}

// redrawConsole has the kernel draw the text of whatever console can be seen,
// for those who may not write to it: it does after the screen was off.
func (f fbFile) redrawConsole() error {
	// Drivers that cannot switch it off say so, but the kernel's console has done
	// its part by then.
	_ = requestValue(f.file, fbBlank, blanked)
	if err := requestValue(f.file, fbBlank, unblanked); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
