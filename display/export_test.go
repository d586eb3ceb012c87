package display

import (
	"fmt"
	"time"
)

// SetWriteTimeout shortens the wait for a terminal that takes nothing.
func SetWriteTimeout(t *Terminal, d time.Duration) { t.timeout = d }

// Plan is how a panel would show s, for the golden table.
func Plan(width, height int, traits Traits, s Screen) string {
	p := surface{width, height, traits}
	codes, _ := encodeAll(s.Payloads)
	at, short, ok := p.place(s, codes)
	if !ok {
		return "text: " + short
	}
	mm := ""
	if traits.Pitch > 0 {
		mm = fmt.Sprintf(" = %.2f mm", float64(at.scale)*traits.Pitch)
	}
	side := "beside"
	if at.square.Dx() != at.text.Min.X {
		side = "below"
	}
	lit := float64(at.square.Dx()-at.code.size()*at.scale) / float64(2*at.scale)
	out := fmt.Sprintf("%d-%s, %d px%s, quiet %.1f, text %s", at.code.version, at.code.level, at.scale, mm, lit, side)
	if short != "" {
		out = at.code.name + " " + out
	}
	return out
}
