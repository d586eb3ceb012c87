package displaytest

// Where a waveform leaves a pixel.
type drive byte

const (
	towardsNothing drive = iota
	towardsBlack
	towardsWhite
)

// waveformForm is how the waveform register (command 0x32) is laid out. First
// come five lists, of which the first four are for the pixels whose bits of the
// two memories (red, black) are 00, 01, 10, 11, and the fifth for the common
// electrode; each has a byte per group with the voltages of its four phases A
// to D, two bits each: 00 none, 01 VSH1 drives to black, 10 VSL drives to
// white. Then comes for each group how many frames its phases take, and how
// often it is repeated.
type waveformForm struct {
	groups int
	group  int    // bytes of timing for a group
	phases [4]int // where in those the frames of A to D stand
	repeat int    // where the repetitions, less one, stand
	rest   int    // bytes after the groups
}

func (p *EPaper) waveformForm() waveformForm {
	if p.model == SSD1675B {
		return waveformForm{groups: 7, group: 5, phases: [4]int{0, 1, 2, 3}, repeat: 4}
	}
	// A, B, repetitions of A and B, C, D, repetitions of C and D, of all; then the
	// frame rates and the gates.
	return waveformForm{groups: 12, group: 7, phases: [4]int{0, 1, 3, 4}, repeat: 6, rest: 9}
}

const lists = 5

func (f waveformForm) size() int { return f.groups*(lists+f.group) + f.rest }

// drives is where a waveform leaves the pixels with each pair of bits, and how
// many frames that takes.
func (f waveformForm) drives(waveform []byte) (to [4]drive, frames int) {
	if len(waveform) == 0 {
		return to, 0
	}
	for g := range f.groups {
		timing := waveform[f.groups*lists+g*f.group:][:f.group]
		for phase, at := range f.phases {
			if timing[at] == 0 {
				continue
			}
			frames += int(timing[at]) * (int(timing[f.repeat]) + 1)
			for bits := range to {
				switch waveform[bits*f.groups+g] >> (6 - 2*phase) & 3 {
				case 1:
					to[bits] = towardsBlack
				case 2:
					to[bits] = towardsWhite
				}
			}
		}
	}
	return to, frames
}

// otp is the waveform that the factory put into the panel: for mode 1 each
// pixel goes to what its black memory says, in 100 frames; for mode 2 only
// those move whose two memories differ, in 20.
func (p *EPaper) otp(mode2 bool) []byte {
	if p.model != SSD1680Z {
		p.fault("a waveform loaded from the OTP, which holds none")
		return nil
	}
	f := p.waveformForm()
	w := make([]byte, f.size())
	frames, repeat := byte(20), byte(4)
	const black, white = 1 << 6, 2 << 6
	w[0*f.groups], w[1*f.groups] = black, white
	w[2*f.groups], w[3*f.groups] = black, white
	if mode2 {
		repeat = 0
		w[0*f.groups], w[3*f.groups] = 0, 0
	}
	w[f.groups*lists], w[f.groups*lists+f.repeat] = frames, repeat
	return w
}
