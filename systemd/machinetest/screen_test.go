//go:build machinetest

package machinetest

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A letter is 8x16 pixels on every console of these tests.
const (
	letterWidth  = 8
	letterHeight = 16
)

// A glyph is the shape of a letter, a byte for each row. It is the same for
// light on dark and for dark on light: what has the colour of the upper left
// pixel is 0, as it is in every letter of a font.
type glyph [letterHeight]byte

// unknown stands in a screen's text for a shape that is no letter: half a block,
// the diamond of a font without it, a part of a picture.
const unknown = '\u25c6'

// shot returns what is on the machine's screen, and the file it is in.
func (m *machine) shot(name string) (image.Image, string) {
	m.t.Helper()
	path := filepath.Join(m.pictures, name+".png")
	if err := m.monitor.do("screendump", map[string]string{"filename": path, "format": "png"}); err != nil {
		m.t.Fatal(err)
	}
	return m.picture(name), path
}

// picture is one that was taken before.
func (m *machine) picture(name string) image.Image {
	m.t.Helper()
	f, err := os.Open(filepath.Join(m.pictures, name+".png"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil {
		m.t.Fatalf("QEMU's picture of the screen: %v", err)
	}
	return picture
}

// zbar reads the QR code in a picture, with a decoder that shares nothing with
// the encoder.
func zbar(t *testing.T, picture string) (string, error) {
	out, err := exec.CommandContext(t.Context(), "zbarimg", "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", picture).Output()
	if err != nil {
		return "", fmt.Errorf("zbarimg finds no code in the picture: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// awaitCode waits until a person could scan that address from the screen.
func (m *machine) awaitCode(name, address string) {
	m.t.Helper()
	m.await(time.Minute, "the screen to show the link", func() (bool, string) {
		_, path := m.shot(name)
		read, err := zbar(m.t, path)
		if err != nil {
			return false, err.Error() + "; it shows\n" + m.text(name)
		}
		return read == address, fmt.Sprintf("it shows %q, not %q", read, address)
	})
}

// drawn is enough for the kernel, which writes a console on the screen in the
// background, and less than the RestartSec= of the display.
const drawn = 10 * time.Second

// noCode waits until there is no code to scan.
func (m *machine) noCode(name string) {
	m.t.Helper()
	m.await(drawn, "no code on the screen, of which whoever scans it has nothing", func() (bool, string) {
		_, path := m.shot(name)
		read, err := zbar(m.t, path)
		return err != nil, fmt.Sprintf("it still shows %q; see %s", read, path)
	})
}

// blank waits until there is nothing on the screen but perhaps a cursor.
func (m *machine) blank(name string) {
	m.t.Helper()
	m.await(drawn, "an empty screen", func() (bool, string) {
		m.shot(name)
		left := m.text(name)
		return len([]rune(strings.TrimSpace(left))) <= 1, "it shows\n" + left
	})
}

// onlyLetters waits until there is nothing on the screen but letters and blanks.
func (m *machine) onlyLetters(name string) {
	m.t.Helper()
	m.await(drawn, "only letters and blanks on the screen", func() (bool, string) {
		m.shot(name)
		shown := m.text(name)
		return !strings.ContainsRune(shown, unknown), "it shows\n" + shown
	})
}

// awaitText waits until words can be read on the screen, and returns all of it.
func (m *machine) awaitText(name, words string) string {
	m.t.Helper()
	shown := ""
	m.await(time.Minute, fmt.Sprintf("%q on the screen", words), func() (bool, string) {
		m.shot(name)
		shown = m.text(name)
		return strings.Contains(shown, words), "it shows\n" + shown
	})
	return shown
}

// learnLetters has the machine write every ASCII character on a console that
// nobody uses, in the font that it has now, and looks at the shapes. A display
// that nobody configured must be open by then: it stays with the console that it
// has seen first.
func (m *machine) learnLetters(font ...string) {
	m.t.Helper()
	const console = "8"
	before := m.must("fgconsole")
	m.must("chvt", console)
	if len(font) > 0 {
		m.must(append([]string{"setfont", "-C", "/dev/tty" + console}, font...)...)
	}
	var all strings.Builder
	for r := '!'; r <= '~'; r++ {
		all.WriteRune(r)
	}
	m.write("/dev/tty"+console, "\x1b[0m\x1b[?25l\x1b[2J\x1b[H"+all.String()[:60]+"\r\n"+all.String()[60:])
	m.await(10*time.Second, "letters on the screen", func() (bool, string) {
		picture, _ := m.shot("letters")
		m.letters = map[glyph]rune{{}: ' '}
		for i, r := range all.String() {
			m.letters[glyphAt(picture, i%60, i/60)] = r
		}
		return len(m.letters) == 1+all.Len(), fmt.Sprintf("%d different shapes for %d characters", len(m.letters)-1, all.Len())
	})
	m.must("chvt", before)
}

// text reads a picture of a console that was taken before.
func (m *machine) text(name string) string {
	m.t.Helper()
	picture := m.picture(name)
	var lines []string
	for y := range picture.Bounds().Dy() / letterHeight {
		var line strings.Builder
		for x := range picture.Bounds().Dx() / letterWidth {
			r, known := m.letters[glyphAt(picture, x, y)]
			if !known {
				r = unknown
			}
			line.WriteRune(r)
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func glyphAt(picture image.Image, column, row int) glyph {
	lit := func(x, y int) bool {
		grey, _ := color.GrayModel.Convert(picture.At(column*letterWidth+x, row*letterHeight+y)).(color.Gray)
		return grey.Y >= 0x50
	}
	ground := lit(0, 0)
	var g glyph
	for y := range letterHeight {
		for x := range letterWidth {
			if lit(x, y) != ground {
				g[y] |= 1 << x
			}
		}
	}
	return g
}

// keys types on the machine's keyboard; the last one is Enter. QEMU puts them
// into a queue, with their times.
func (m *machine) keys(text string) {
	m.t.Helper()
	names := map[rune]string{' ': "spc", '/': "slash", '.': "dot", '-': "minus", '\n': "ret"}
	for _, r := range text + "\n" {
		code, special := names[r]
		if !special {
			code = string(r)
		}
		key := []map[string]string{{"type": "qcode", "data": code}}
		if err := m.monitor.do("send-key", map[string]any{"keys": key, "hold-time": 40}); err != nil {
			m.t.Fatal(err)
		}
	}
}
