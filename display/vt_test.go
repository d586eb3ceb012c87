package display_test

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// TestLinuxConsole draws on a virtual console of the kernel that runs here and
// reads back what the kernel made of it (vcs(4)). It needs root and a kernel
// with consoles, which a container seldom has.
func TestLinuxConsole(t *testing.T) {
	const number = "62" // nobody logs in there
	d, err := display.OpenTerminal("/dev/tty" + number)
	if err != nil {
		t.Skipf("NOT TESTED: no virtual console to draw on: %v", err)
	}
	defer d.Close()
	shows, err := d.Draw(pair())
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := os.ReadFile("/dev/vcsa" + number)
	if err != nil {
		t.Skipf("NOT TESTED: what the console shows cannot be read: %v", err)
	}
	letters, err := os.ReadFile("/dev/vcsu" + number)
	if err != nil {
		t.Skipf("NOT TESTED: what the console shows cannot be read: %v", err)
	}
	p := displaytest.Picture{Rows: int(attributes[0]), Columns: int(attributes[1])}
	for i := range p.Rows * p.Columns {
		if i%p.Columns == 0 {
			p.Cells = append(p.Cells, nil)
		}
		colour := attributes[4+2*i+1]
		p.Cells[i/p.Columns] = append(p.Cells[i/p.Columns], displaytest.Cell{
			Rune: rune(binary.NativeEndian.Uint32(letters[4*i:])),
			Ink:  30 + int(colour&7), Paper: 40 + int(colour>>4&7),
		})
	}
	if !strings.Contains(p.Text(), "BEYHYS") {
		t.Errorf("the code for typing is nowhere:\n%s", p.Text())
	}
	if !strings.HasPrefix(shows, "QR") {
		t.Skipf("NOT TESTED further: this console shows %s", shows)
	}
	if got, err := displaytest.DecodeQR(p.Image(displaytest.Dark(), 4)); err != nil || got != pairURL {
		t.Errorf("a phone reads %q (%v) on the console, want %q:\n%s", got, err, pairURL, p.Text())
	}
}
