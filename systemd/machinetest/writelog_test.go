//go:build machinetest

package machinetest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"
)

// An order is one that a disk was given: to write, or to have all on the medium
// that it was given before.
type order struct {
	at    int64 // bytes
	data  []byte
	flush bool
	fua   bool // a write that is on the medium when it is answered
}

// A log of orders is written by QEMU's driver blklogwrites, in the format of
// Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst,
// drivers/md/dm-log-writes.c): sectors, the first of which describes the others.
const (
	logSector = 512
	logMagic  = 0x6a736677736872

	logFlush   = 1 << 0
	logFUA     = 1 << 1
	logDiscard = 1 << 2
)

// readLog reads a log to its end. The number of entries in its first sector is
// an old one: QEMU was killed.
func readLog(t *testing.T, path string) []order {
	t.Helper()
	text := read(t, path)
	le := binary.LittleEndian
	if len(text) < logSector || le.Uint64(text) != logMagic || le.Uint32(text[24:]) != logSector {
		t.Fatalf("%s is no log of writes", path)
	}
	var orders []order
	for rest := text[logSector:]; len(rest) >= logSector; {
		sector, count, flags := le.Uint64(rest), le.Uint64(rest[8:]), le.Uint64(rest[16:])
		rest = rest[logSector:]
		if sector == 0 && count == 0 && flags == 0 {
			break
		}
		o := order{at: int64(sector) * logSector, flush: flags&logFlush != 0, fua: flags&logFUA != 0}
		if flags&logDiscard != 0 {
			t.Fatal("something was discarded, which this replay does not know")
		}
		size := int(count) * logSector
		if size > len(rest) {
			break // killed in the middle of it
		}
		o.data, rest = rest[:size], rest[size:]
		orders = append(orders, o)
	}
	return orders
}

// A cache is how a disk keeps what it was not yet told to flush.
type cache int

// All of it had come to the medium, or some, or none.
const (
	keepsAll cache = iota
	keepsSome
	keepsNothing
	caches
)

// A crash is a disk without power from one order on.
type crash struct {
	after int // orders that it was given
	cache cache
}

// crashes are as many as wanted, at random among orders from first on, in the
// order of time.
func crashes(orders []order, first, wanted int) []crash {
	rng := rand.New(rand.NewPCG(6, uint64(wanted)))
	at := make([]crash, wanted)
	for i := range at {
		// Evenly over the time: a random moment of each part of it.
		from, to := first+i*(len(orders)-first)/wanted, first+(i+1)*(len(orders)-first)/wanted
		at[i] = crash{from + 1 + rng.IntN(max(1, to-from)), cache(i) % caches}
	}
	return at
}

// A replay makes the disk of each crash, one after the other.
type replay struct {
	t      *testing.T
	orders []order
	medium []byte // with all up to the last flush
	done   int    // orders that are in it
	rng    *rand.Rand
}

func newReplay(t *testing.T, orders []order, empty string) *replay {
	t.Helper()
	return &replay{t, orders, read(t, empty), 0, rand.New(rand.NewPCG(7, 7))}
}

// disk writes the image of a disk after a crash. Crashes come in the order of
// time.
func (r *replay) disk(c crash, path string) {
	r.t.Helper()
	for i := c.after - 1; i >= r.done; i-- {
		if r.orders[i].flush {
			for _, o := range r.orders[r.done : i+1] {
				copy(r.medium[o.at:], o.data)
			}
			r.done = i + 1
			break
		}
	}
	image := bytes.Clone(r.medium)
	kept := r.rng.Float64()
	for _, o := range r.orders[r.done:c.after] {
		if o.fua || c.cache == keepsAll || c.cache == keepsSome && r.rng.Float64() < kept {
			copy(image[o.at:], o.data)
		}
	}
	if err := os.WriteFile(path, image, 0o600); err != nil {
		r.t.Fatal(err)
	}
}
