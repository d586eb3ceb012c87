package display

import (
	"fmt"

	"github.com/skip2/go-qrcode"
)

// A quiet zone is the light margin that readers need round a QR code. ISO/IEC
// 18004 asks for 4 modules; against a black surround readers still manage with
// 2, and begin to fail below.
const (
	fullQuiet  = 4
	leastQuiet = 2
)

// qrCode is the bare QR code of a payload, without quiet zone. Its modules are
// made when they are asked for, which takes most of the time: 2 ms on a large
// computer and 30 times that on a Pi Zero.
type qrCode struct {
	name    string // of the payload
	version int    // 1 to 40
	level   string // of error correction: L, M, Q or H
	symbol  *qrcode.QRCode
}

// size is the number of modules along a side.
func (q qrCode) size() int { return 17 + 4*q.version }

// String is the form that status shows.
func (q qrCode) String() string {
	return fmt.Sprintf("QR of the %s, version %d-%s", q.name, q.version, q.level)
}

// modules are the modules by row, then by column.
func (q qrCode) modules() modules { return q.symbol.Bitmap() }

type modules [][]bool // true: dark

// dark reports whether a module is dark; everything outside the code is light.
func (m modules) dark(x, y int) bool {
	return y >= 0 && y < len(m) && x >= 0 && x < len(m) && m[y][x]
}

// encode makes the smallest QR code for p, with the strongest error correction
// that costs no module: the encoder itself never uses the room left over.
func encode(p Payload) (qrCode, error) {
	best, err := qrcode.New(p.Text, qrcode.Low)
	if err != nil {
		return qrCode{}, fmt.Errorf("the %s is too long for a QR code (%d bytes): %w", p.Name, len(p.Text), err)
	}
	levels := []struct {
		level qrcode.RecoveryLevel
		name  string
	}{{qrcode.Highest, "H"}, {qrcode.High, "Q"}, {qrcode.Medium, "M"}}
	name := "L"
	for _, l := range levels {
		if q, err := qrcode.New(p.Text, l.level); err == nil && q.VersionNumber == best.VersionNumber {
			best, name = q, l.name
			break
		}
	}
	// The symbol is made once: setting DisableBorder later has no effect.
	best.DisableBorder = true
	return qrCode{name: p.Name, version: best.VersionNumber, level: name, symbol: best}, nil
}

// encodeAll makes the codes of all payloads, in their order, and says why one
// is missing.
func encodeAll(payloads []Payload) (codes []qrCode, reason string) {
	for _, p := range payloads {
		q, err := encode(p)
		if err != nil {
			reason = err.Error()
			continue
		}
		codes = append(codes, q)
	}
	return codes, reason
}
