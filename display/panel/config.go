package panel

// Config says which display to open. What is zero or empty is the driver's own
// default, and what means nothing to a driver is refused by it.
type Config struct {
	Driver, Device           string
	Width, Height            int     // pixels, of the panel as it is made
	Rotate                   int     // degrees clockwise: 0, 90, 180 or 270
	Address                  int     // on an I2C bus, 7 bits
	DCPin, ResetPin, BusyPin string  // GPIO lines, as in "GPIO25" or "gpiochip0:25"
	WidthMM                  float64 // width of the picture in mm
}
