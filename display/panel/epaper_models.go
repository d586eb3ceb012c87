package panel

import "slices"

// Pixels of the glass and bytes of a row of its memory.
const (
	epaperLength  = 250
	epaperBreadth = 122
	epaperRow     = 16

	// epaperWidthMM is of the 250 pixels (Waveshare's specification).
	epaperWidthMM = 48.55
)

// Commands that all the controllers share (datasheets of SSD1675B and SSD1680,
// "command table").
const (
	deepSleep      = 0x10
	softReset      = 0x12
	activate       = 0x20
	updateSequence = 0x22
	writeMemory    = 0x24
)

type epaperCommand struct {
	command    byte
	parameters []byte
}

// epaperModel is what differs between the panels.
type epaperModel struct {
	name     string
	setUp    []epaperCommand
	sequence byte // steps of a refresh, see below
}

// Steps of a refresh, for command 0x22: clock and charge pump on, one picture in
// mode 1, both off. With the waveform of the controller's own memory, it first
// takes the temperature and that waveform for it.
const (
	refreshByRegister = 0xc7
	refreshByOTP      = 0xf7
)

// waveshare2in13 is the panel of a driver name; ok is false for other names.
func waveshare2in13(driver string) (m *epaperModel, ok bool) {
	switch driver {
	case "waveshare2in13v2":
		return waveshareV2(), true
	case "waveshare2in13v3":
		return waveshareV3(), true
	case "waveshare2in13v4":
		return waveshareV4(), true
	}
	return nil, false
}

// memoryLayout is the same for all: 250 gates; X and Y count up; the window is
// the glass, and the first byte goes to its corner.
func memoryLayout() []epaperCommand {
	return []epaperCommand{
		{0x01, []byte{epaperLength - 1, 0, 0}},
		{0x11, []byte{3}},
		{0x44, []byte{0, epaperRow - 1}},
		{0x45, []byte{0, 0, epaperLength - 1, 0}},
		{0x4e, []byte{0}},
		{0x4f, []byte{0, 0}},
	}
}

// The values below, and the waveforms, are the panel maker's, as Waveshare's
// software for each version sends them.

func waveshareV2() *epaperModel {
	return &epaperModel{
		name: "Waveshare 2.13\" e-paper v2",
		setUp: slices.Concat([]epaperCommand{
			{0x74, []byte{0x54}}, // analog block
			{0x7e, []byte{0x3b}}, // digital block
		}, memoryLayout(), []epaperCommand{
			{0x3c, []byte{0x03}},             // border
			{0x2c, []byte{0x55}},             // VCOM
			{0x03, []byte{0x15}},             // gate voltage
			{0x04, []byte{0x41, 0xa8, 0x32}}, // source voltages
			{0x3a, []byte{0x30}},             // dummy lines
			{0x3b, []byte{0x0a}},             // gate line width
			{0x32, waveformV2()},
		}),
		sequence: refreshByRegister,
	}
}

func waveshareV3() *epaperModel {
	return &epaperModel{
		name: "Waveshare 2.13\" e-paper v3",
		setUp: slices.Concat(memoryLayout(), sourcesAndSensor(), []epaperCommand{
			{0x32, waveformV3()},
			{0x3f, []byte{0x22}},             // end of the waveform
			{0x03, []byte{0x17}},             // gate voltage
			{0x04, []byte{0x41, 0x00, 0x32}}, // source voltages
			{0x2c, []byte{0x36}},             // VCOM
		}),
		sequence: refreshByRegister,
	}
}

func waveshareV4() *epaperModel {
	return &epaperModel{
		name:     "Waveshare 2.13\" e-paper v4",
		setUp:    slices.Concat(memoryLayout(), sourcesAndSensor()),
		sequence: refreshByOTP,
	}
}

func sourcesAndSensor() []epaperCommand {
	return []epaperCommand{
		{0x3c, []byte{0x05}},       // border
		{0x21, []byte{0x00, 0x80}}, // sources from S8 on, where the glass begins
		{0x18, []byte{0x80}},       // temperature sensor: its own
	}
}
