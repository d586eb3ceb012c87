package panel

import "slices"

// Voltages at a pixel during a phase: none, VSH1 and VSL.
const (
	rest    = 0
	toBlack = 1
	toWhite = 2
)

// phase drives the pixels that are to become black, and those that are to
// become white, for so many frames.
type phase struct{ frames, black, white byte }

// group is up to four phases, A to D, done once and then again so many times.
type group struct {
	again  byte
	phases [4]phase
}

// waveformV2 takes 90 frames, 1.8 s: three times off the colour that is wanted,
// three times black and white, and three times to it.
func waveformV2() []byte {
	return waveform(7, []group{
		{2, [4]phase{{3, toWhite, rest}, {3, rest, toBlack}}},
		{2, [4]phase{{9, toBlack, toBlack}, {9, toWhite, toWhite}}},
		{2, [4]phase{{3, toBlack, rest}, {3, rest, toWhite}}},
	}, func(a, b, c, d, again byte) []byte {
		return []byte{a, b, c, d, again}
	})
}

// waveformV3 takes 121 frames: to the other colour, three times black and
// white, to the colour that is wanted.
func waveformV3() []byte {
	groups := waveform(12, []group{
		{0, [4]phase{{15, toWhite, toBlack}}},
		{2, [4]phase{{15, toBlack, toBlack}, {}, {15, toWhite, toWhite}, {0, toWhite, toWhite}}},
		{0, [4]phase{{15, toBlack, toWhite}}},
		{0, [4]phase{{1, rest, rest}}},
	}, func(a, b, c, d, again byte) []byte {
		return []byte{a, b, 0, c, d, 0, again} // the pairs are not repeated on their own
	})
	return append(groups, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0, 0, 0) // frame rates, gates
}

// waveform lays groups out for a waveform register (command 0x32) with room for
// n of them. First come the voltages, a byte per group: for pixels whose bits in
// the two memories are 00, 01, 10, 11, and for the common electrode, which stays
// at rest. The second memory holds noise and is not written; pixels that differ
// only there are driven alike. Then comes the timing of each group, in the order
// of the controller.
func waveform(n int, groups []group, timing func(a, b, c, d, again byte) []byte) []byte {
	groups = append(groups, make([]group, n-len(groups))...)
	voltages := func(of func(phase) byte) (list []byte) {
		for _, g := range groups {
			p := g.phases
			list = append(list, of(p[0])<<6|of(p[1])<<4|of(p[2])<<2|of(p[3]))
		}
		return list
	}
	black := voltages(func(p phase) byte { return p.black })
	white := voltages(func(p phase) byte { return p.white })
	out := slices.Concat(black, white, black, white, make([]byte, n))
	for _, g := range groups {
		p := g.phases
		out = append(out, timing(p[0].frames, p[1].frames, p[2].frames, p[3].frames, g.again)...)
	}
	return out
}
