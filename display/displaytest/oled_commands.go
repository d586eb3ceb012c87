package displaytest

// chip is in what the controllers differ.
type chip struct {
	name     string
	columns  int
	contrast byte // after a reset
	pump     bool // the voltage is made from the start
	id       byte // of the status
	// arguments is the number of bytes that follow a command; -1: there is no
	// such command, so that the next byte is one, whatever it was meant to be.
	arguments func(command byte) int
}

func ssd1306() chip {
	return chip{name: "SSD1306", columns: 128, contrast: 0x7f, id: 0x06, arguments: func(b byte) int {
		switch {
		case b >= 0x23 && b <= 0x25, b == 0x28, b >= 0x2b && b <= 0x2d:
			return -1
		case b == 0x2e, b == 0x2f:
			return 0
		case b == 0x20:
			return 1
		case b == 0x21, b == 0x22, b == 0xa3:
			return 2
		case b == 0x26, b == 0x27:
			return 6
		case b == 0x29, b == 0x2a:
			return 5
		case b == 0x8d:
			return 1
		case b >= 0x30 && b <= 0x3f, b == 0xad, b == 0xe0, b == 0xee:
			return -1
		}
		return commonArguments(b)
	}}
}

// sh1106 has no other way of addressing than by page, no windows and no
// scrolling; its own are the pump's voltage, its switch and read-modify-write.
func sh1106() chip {
	return chip{name: "SH1106", columns: 132, contrast: 0x80, pump: true, id: 0x08, arguments: func(b byte) int {
		switch {
		case b >= 0x30 && b <= 0x33, b == 0xe0, b == 0xee:
			return 0
		case b == 0xad:
			return 1
		case b >= 0x20 && b <= 0x3f:
			return -1
		}
		return commonArguments(b)
	}}
}

func commonArguments(b byte) int {
	switch {
	case b <= 0x1f, b >= 0x40 && b <= 0x7f, b >= 0xb0 && b <= 0xb7:
		return 0
	case b == 0xa0, b == 0xa1, b >= 0xa4 && b <= 0xa7, b == 0xae, b == 0xaf:
		return 0
	case b >= 0xc0 && b <= 0xcf, b == 0xe3:
		return 0
	case b == 0x81, b == 0xa8, b == 0xd3, b == 0xd5, b == 0xd9, b == 0xda, b == 0xdb:
		return 1
	}
	return -1
}

// command takes a byte of the command stream.
func (o *OLED) command(b byte) {
	if o.missing == 0 {
		o.missing = o.chip.arguments(b)
		if o.missing < 0 {
			o.missing = 0
			o.complain("the %s has no command %#02x", o.chip.name, b)
			return
		}
		o.pending = nil
	} else {
		o.missing--
	}
	o.pending = append(o.pending, b)
	if o.missing == 0 {
		o.execute(o.pending[0], o.pending[1:])
	}
}

// execute does what a whole command says. How fast, how bright and how precisely
// timed the panel is, is kept at most: no picture shows it.
func (o *OLED) execute(c byte, args []byte) {
	switch {
	case c <= 0x0f:
		o.column = o.column&0xf0 | int(c)
	case c <= 0x1f:
		o.column = o.column&0x0f | int(c&0x0f)<<4
	case c == 0x20:
		if o.mode = args[0] & 3; o.mode == 3 || args[0] > 3 {
			o.complain("no addressing mode %#02x", args[0])
			o.mode = 2
		}
	case c == 0x21:
		o.firstColumn, o.lastColumn = o.window("column", args, 127)
		o.column = o.firstColumn
	case c == 0x22:
		o.firstPage, o.lastPage = o.window("page", args, 7)
		o.page = o.firstPage
	case c >= 0x26 && c <= 0x2a, c == 0x2f:
		o.scrolling = c == 0x2f
	case c == 0x2e:
		o.scrolling = false
	case c >= 0x40 && c <= 0x7f:
		o.startLine = int(c & 0x3f)
	case c == 0x81:
		o.contrast = args[0]
	case c == 0x8d:
		o.pump = args[0]&0x04 != 0
	case c == 0xa0, c == 0xa1:
		o.remap = c == 0xa1
	case c == 0xa4, c == 0xa5:
		o.allOn = c == 0xa5
	case c == 0xa6, c == 0xa7:
		o.inverse = c == 0xa7
	case c == 0xa8:
		if o.lines = int(args[0]&0x3f) + 1; o.lines < 16 || args[0] > 63 {
			o.complain("no multiplex ratio %d", int(args[0])+1)
		}
	case c == 0xad:
		if o.on {
			o.complain("the voltage is switched while the display is on")
		}
		o.pump = args[0]&1 == 1
	case c == 0xae, c == 0xaf:
		o.on = c == 0xaf
	case c >= 0xb0 && c <= 0xb7:
		// The SSD1306's datasheet provides this, and 00 to 1F, for page mode only;
		// real ones obey in all.
		o.page = int(c & 7)
	case c >= 0xc0 && c <= 0xcf:
		o.backwards = c&8 != 0
	case c == 0xd3:
		o.offset = int(args[0] & 0x3f)
	case c == 0xd5:
		o.clock = args[0]
	case c == 0xda:
		if args[0]&^0x30 != 0x02 {
			o.complain("no layout of the common pins %#02x", args[0])
		}
		o.alternate, o.swapSides = args[0]&0x10 != 0, args[0]&0x20 != 0
	case c == 0xe0:
		o.savedColumn = o.column
	case c == 0xee:
		if o.savedColumn >= 0 {
			o.column, o.savedColumn = o.savedColumn, -1
		}
	}
}

func (o *OLED) window(what string, args []byte, last int) (from, to int) {
	from, to = int(args[0])&last, int(args[1])&last
	if from > to || int(args[0]) > last || int(args[1]) > last {
		o.complain("no window from %s %d to %d", what, args[0], args[1])
		return 0, last
	}
	return from, to
}
