package agent

import (
	"errors"
	"fmt"
	"maps"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// fault is what happens at one call of a badDisk.
type fault struct {
	name    string
	err     error
	short   bool // a write that writes half, and the error, if there is one, at the next
	forever bool // and at each later call that changes something: a disk that the kernel has made read-only
	crash   bool // nothing that comes reaches the disk any more: the process was killed, or the power went
}

// faults are those that every save must survive.
func faults() []fault {
	all := []fault{{name: "crash", err: unix.EIO, crash: true}, {name: "short write", short: true}, {name: "short write, then ENOSPC", short: true, err: unix.ENOSPC}}
	for _, err := range []unix.Errno{unix.EIO, unix.ENOSPC, unix.EROFS} {
		name := unix.ErrnoName(err)
		all = append(all, fault{name: name, err: err}, fault{name: name + " from then on", err: err, forever: true})
	}
	return all
}

// badDisk is the kernel's file system, of which the at-th call goes wrong.
//
// A test looks at it while its agent is idle, and changes it by mend.
type badDisk struct {
	kernel
	fault
	mended atomic.Bool
	at     int // counted from 1; 0: none
	calls  int
	fired  bool
	full   error // of the next write, after a short one
}

// mend is somebody who puts another disk in.
func (d *badDisk) mend() { d.mended.Store(true) }

// goesWrong counts a call. After it, an error is the outcome of the call, and
// without one the call is carried out.
func (d *badDisk) goesWrong(changes, writes bool) error {
	d.calls++
	if d.mended.Load() || d.at == 0 || d.calls < d.at || d.short {
		return nil
	}
	if d.calls == d.at || d.crash || d.forever && changes {
		d.fired = true
		if d.err == unix.ENOSPC && !changes && !writes { //nolint:errorlint // an errno, as given above
			return nil // reading needs no room
		}
		return d.err
	}
	return nil
}

func (d *badDisk) openDir(path string, flags int) (int, error) {
	if err := d.goesWrong(false, false); err != nil {
		return -1, err
	}
	return d.kernel.openDir(path, flags)
}

func (d *badDisk) open(dir int, name string, flags int, mode uint32) (int, error) {
	if err := d.goesWrong(flags&unix.O_CREAT != 0, false); err != nil {
		return -1, err
	}
	return d.kernel.open(dir, name, flags, mode)
}

func (d *badDisk) openBeneath(dir int, name string, flags int) (int, error) {
	if err := d.goesWrong(false, false); err != nil {
		return -1, err
	}
	return d.kernel.openBeneath(dir, name, flags)
}

func (d *badDisk) read(fd int, p []byte) (int, error) {
	if err := d.goesWrong(false, false); err != nil {
		return 0, err
	}
	return d.kernel.read(fd, p)
}

func (d *badDisk) write(fd int, p []byte) (int, error) {
	err := d.goesWrong(true, true)
	if full := d.full; full != nil {
		d.full = nil
		return 0, full
	}
	if err != nil {
		return 0, err
	}
	if d.short && d.calls == d.at && !d.mended.Load() {
		d.fired, d.full = true, d.err
		p = p[:len(p)/2]
	}
	return d.kernel.write(fd, p)
}

func (d *badDisk) fsync(fd int) error {
	if err := d.goesWrong(true, true); err != nil {
		return err
	}
	return nil // nobody pulls the plug here, and it is what takes the time
}

func (d *badDisk) fchmod(fd int, mode uint32) error {
	if err := d.goesWrong(true, false); err != nil {
		return err
	}
	return d.kernel.fchmod(fd, mode)
}

// close frees the descriptor whatever it says, as Linux does.
func (d *badDisk) close(fd int) error {
	return errors.Join(d.goesWrong(false, true), d.kernel.close(fd))
}

func (d *badDisk) fstat(fd int, st *unix.Stat_t) error {
	if err := d.goesWrong(false, false); err != nil {
		return err
	}
	return d.kernel.fstat(fd, st)
}

func (d *badDisk) stat(dir int, name string, st *unix.Stat_t) error {
	if err := d.goesWrong(false, false); err != nil {
		return err
	}
	return d.kernel.stat(dir, name, st)
}

func (d *badDisk) link(dir int, from, to string) error {
	if err := d.goesWrong(true, false); err != nil {
		return err
	}
	return d.kernel.link(dir, from, to)
}

func (d *badDisk) rename(dir int, from, to string) error {
	if err := d.goesWrong(true, false); err != nil {
		return err
	}
	return d.kernel.rename(dir, from, to)
}

func (d *badDisk) unlink(dir int, name string) error {
	if err := d.goesWrong(true, false); err != nil {
		return err
	}
	return d.kernel.unlink(dir, name)
}

// cache is a disk with a cache: what was not synced may be lost when the power
// goes, and of the changes to the directory the later ones. It knows one
// directory, and what every power cut would leave of it.
type cache struct {
	kernel
	files   map[int]*cached // by descriptor; nil for the directory
	names   map[string]*cached
	history []map[string]*cached // the directory after each change since its last sync
	inject  func()               // after each call
}

// cached is a file: what is on the disk, and what a reader sees.
type cached struct{ synced, text []byte }

func newCache(d stateDir, names ...string) *cache {
	c := &cache{files: map[int]*cached{}, names: map[string]*cached{}, inject: func() {}}
	for _, name := range names {
		text := d.read(name)
		c.names[name] = &cached{text, text}
	}
	c.history = []map[string]*cached{maps.Clone(c.names)}
	return c
}

func (c *cache) changed(err error, change func()) error {
	if err == nil {
		change()
		c.history = append(c.history, maps.Clone(c.names))
	}
	c.inject()
	return err
}

func (c *cache) openDir(path string, flags int) (int, error) {
	fd, err := c.kernel.openDir(path, flags)
	c.files[fd] = nil
	return fd, err
}

func (c *cache) open(dir int, name string, flags int, mode uint32) (int, error) {
	fd, err := c.kernel.open(dir, name, flags, mode)
	if err == nil && flags&unix.O_CREAT == 0 {
		c.files[fd] = c.names[name]
		return fd, nil
	}
	return fd, c.changed(err, func() {
		c.names[name] = &cached{}
		c.files[fd] = c.names[name]
	})
}

func (c *cache) write(fd int, p []byte) (int, error) {
	n, err := c.kernel.write(fd, p)
	c.files[fd].text = append(c.files[fd].text, p[:n]...)
	c.inject()
	return n, err
}

func (c *cache) fsync(fd int) error {
	if f := c.files[fd]; f != nil {
		f.synced = f.text
	} else {
		c.history = []map[string]*cached{maps.Clone(c.names)}
	}
	c.inject()
	return nil
}

func (c *cache) link(dir int, from, to string) error {
	return c.changed(c.kernel.link(dir, from, to), func() { c.names[to] = c.names[from] })
}

func (c *cache) rename(dir int, from, to string) error {
	return c.changed(c.kernel.rename(dir, from, to), func() {
		c.names[to] = c.names[from]
		delete(c.names, from)
	})
}

func (c *cache) unlink(dir int, name string) error {
	return c.changed(c.kernel.unlink(dir, name), func() { delete(c.names, name) })
}

// cuts gives all that a power cut at this moment can leave: each prefix of the
// changes to the directory, and of what was not synced nothing, half or all.
func (c *cache) cuts(yield func(what string, files map[string][]byte)) {
	for i, names := range c.history {
		for part := range 3 {
			files := map[string][]byte{}
			for name, f := range names {
				lost := len(f.text) - len(f.synced)
				files[name] = f.text[:len(f.synced)+lost*part/2]
			}
			yield(fmt.Sprintf("%d of %d changes, %d/2 of what was written", i, len(c.history)-1, part), files)
		}
	}
}
