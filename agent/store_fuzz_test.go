package agent

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"lwa-agent/lwa"
)

// FuzzStore reads damaged records: what comes out must be what was saved.
func FuzzStore(f *testing.F) {
	good := encodeRecord(fullRecord("a"), 3)
	f.Add(good, 0, byte(0))
	f.Add(good, 700, byte(1))
	f.Add(good[:len(good)/2], 5, byte(0x20))
	f.Add([]byte("{}\nsha256 "+checksum([]byte("{}"))+"\n"), 0, byte(0))
	f.Add([]byte(`{"version":1}`+"\nsha256 x"), 0, byte(0))
	f.Add([]byte("\nsha256 \nsha256 "), 0, byte(0))
	f.Fuzz(func(t *testing.T, text []byte, at int, xor byte) {
		checkDecoded(t, text)
		// The same as JSON with a checksum that fits: a text of another program.
		checkDecoded(t, fmt.Appendf(nil, "%s\nsha256 %s\n", text, checksum(text)))
		damaged := bytes.Clone(good)
		damaged[int(uint(at)%uint(len(damaged)))] ^= xor
		if _, _, err := decodeRecord(damaged); (err == nil) != (xor == 0) {
			t.Fatalf("byte %d changed by %#x: %v", at, xor, err)
		}
	})
}

func checkDecoded(t *testing.T, text []byte) {
	t.Helper()
	r, generation, err := decodeRecord(text)
	if err != nil {
		if !errors.Is(err, errCorrupt) && !errors.Is(err, errNewer) || !reflect.DeepEqual(r, record{}) {
			t.Fatalf("%q: %v with the record %+v; want damaged or newer, and nothing of it", text, err, r)
		}
		return
	}
	again, sameGeneration, err := decodeRecord(encodeRecord(r, generation))
	if err != nil || sameGeneration != generation || !reflect.DeepEqual(normal(again), normal(r)) {
		t.Fatalf("%q: saved again it reads %+v (%v), want %+v", text, again, err, r)
	}
}

// normal is a record without what no agent ever saves: an attempt without a
// state, a link without a token.
func normal(r record) record {
	var attempts [2]lwa.Attempt
	n := 0
	for _, a := range r.Attempts {
		if a.State != "" {
			attempts[n] = a
			n++
		}
	}
	r.Attempts = attempts
	for _, l := range []*link{&r.Link, &r.Candidate} {
		if l.isZero() {
			*l = link{}
		}
		l.Since = l.Since.UTC()
	}
	if r.Pair.isZero() {
		r.Pair = pair{}
	}
	if len(r.Codes) == 0 {
		r.Codes = nil
	}
	return r
}
