package display_test

import (
	"fmt"
	"strings"
	"testing"

	"lwa-agent/display"
	"lwa-agent/display/displaytest"
)

// authorizeURL is one of Amazon's form with exactly so many bytes: 221 with the
// scope profile, 354 with alexa:all, 469 with state and PKCE as well.
func authorizeURL(t testing.TB, bytes int) string {
	t.Helper()
	const most = "https://www.amazon.com/ap/oa?client_id=amzn1.application-oa2-client.0f1e2d3c4b5a69788796a5b4c3d2e1f0" +
		"&redirect_uri=https%3A%2F%2Flocalhost%3A9745%2Fauthresponse&response_type=code" +
		"&scope=alexa%3Aall&scope_data=%7B%22alexa%3Aall%22%3A%7B%22productID%22%3A%22Kitchen_Radio%22%2C" +
		"%22productInstanceAttributes%22%3A%7B%22deviceSerialNumber%22%3A%220123456789abcdef%22%7D%7D%7D" +
		"&state=AbCdEfGhIjKlMnOpQrStUv&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&x=0123456789"
	if bytes > len(most) {
		t.Fatalf("no authorize URL of %d bytes here, at most %d", bytes, len(most))
	}
	return most[:bytes]
}

const pairURL = "https://amazon.com/us/code?cbl-code=BEYHYS"

func offer(t testing.TB, bytes int) display.Screen {
	url := authorizeURL(t, bytes)
	return display.Screen{
		Kind: display.Offer, Title: "Link this device to Amazon",
		Payloads: []display.Payload{{Name: "authorize URL", Text: url}},
		Scan:     "Scan this with your phone's camera and sign in.",
		Open:     "Open this address on a phone or a computer and sign in:",
		Address:  url,
		Lines: []string{
			"Your phone then shows a page that does not load. Copy its address.",
			"Bring it here: run lwa-agent link and paste it.",
		},
		SmallerCode: `link with a client id of "Other devices and platforms"`,
		Elsewhere:   "For the address run: lwa-agent status",
		Brief: display.Brief{
			Title: "Link to Amazon", Scan: "Scan and sign in", Open: "Open and sign in:", Elsewhere: "Run lwa-agent link",
		},
	}
}

func pair() display.Screen {
	return display.Screen{
		Kind: display.Offer, Title: "Link this device to Amazon",
		Payloads: []display.Payload{
			{Name: "code-pair URL", Text: pairURL},
			{Name: "code-pair page", Text: "https://amazon.com/us/code"},
		},
		Scan:    "Scan this with your phone's camera, or open",
		Open:    "Open this address on a phone or a computer:",
		Address: "amazon.com/us/code",
		Enter:   "and enter the code",
		Code:    "BEYHYS",
		Left:    "9 minutes left.",
		Brief:   display.Brief{Title: "Link to Amazon", Scan: "Scan or open", Open: "Open:", Left: "9 min"},
		Lines:   []string{"After you allowed it, it may take up to half a minute."},
	}
}

func utf8Cells(columns, rows int) display.Cells {
	return display.Cells{Columns: columns, Rows: rows, Escapes: true}
}

// TestWhatFitsWhere is the table of sizes that people have: a text console, VGA
// text, common windows, a console of 1920x1080.
func TestWhatFitsWhere(t *testing.T) {
	screens := map[string]display.Screen{
		"221": offer(t, 221), "354": offer(t, 354), "469": offer(t, 469), "pair": pair(),
	}
	for _, want := range []struct {
		columns, rows int
		screen, shows string
	}{
		{80, 24, "pair", "QR of the code-pair URL, version 3-M"},
		{80, 25, "pair", "QR of the code-pair URL, version 3-M"},
		{100, 30, "pair", "QR of the code-pair URL, version 3-M"},
		{100, 37, "pair", "QR of the code-pair URL, version 3-M"},
		{132, 43, "pair", "QR of the code-pair URL, version 3-M"},
		{240, 67, "pair", "QR of the code-pair URL, version 3-M"},

		{80, 24, "221", "text: authorize URL needs 57x30 cells, this terminal has 80x24: enlarge it"},
		{80, 25, "221", "text: authorize URL needs 57x30 cells, this terminal has 80x25: enlarge it"},
		{100, 30, "221", "QR of the authorize URL, version 9-L"},
		{100, 37, "221", "QR of the authorize URL, version 9-L"},
		{132, 43, "221", "QR of the authorize URL, version 9-L"},
		{240, 67, "221", "QR of the authorize URL, version 9-L"},

		{80, 24, "354", "text: authorize URL needs 69x36 cells, this terminal has 80x24: enlarge it"},
		{80, 25, "354", "text: authorize URL needs 69x36 cells, this terminal has 80x25: enlarge it"},
		{100, 30, "354", "text: authorize URL needs 69x36 cells, this terminal has 100x30: enlarge it"},
		{100, 37, "354", "QR of the authorize URL, version 12-L"},
		{132, 43, "354", "QR of the authorize URL, version 12-L"},
		{240, 67, "354", "QR of the authorize URL, version 12-L"},

		{80, 24, "469", "text: authorize URL needs 81x42 cells, this terminal has 80x24: enlarge it"},
		{80, 25, "469", "text: authorize URL needs 81x42 cells, this terminal has 80x25: enlarge it"},
		{100, 30, "469", "text: authorize URL needs 81x42 cells, this terminal has 100x30: enlarge it"},
		{100, 37, "469", "text: authorize URL needs 81x42 cells, this terminal has 100x37: enlarge it"},
		{132, 43, "469", "QR of the authorize URL, version 15-L"},
		{240, 67, "469", "QR of the authorize URL, version 15-L"},
	} {
		t.Run(fmt.Sprintf("%s at %dx%d", want.screen, want.columns, want.rows), func(t *testing.T) {
			out, shows := utf8Cells(want.columns, want.rows).FullScreen(screens[want.screen])
			if shows != want.shows {
				t.Errorf("status would say %q, want %q", shows, want.shows)
			}
			checkTerminal(t, screens[want.screen], out, shows, want.columns, want.rows)
			if want.columns == 132 {
				if _, err := displaytest.DecodeTerminal([]byte(out), want.columns, want.rows); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// checkTerminal is what must hold of everything that is drawn on a whole
// terminal.
func checkTerminal(t *testing.T, s display.Screen, out, shows string, columns, rows int) displaytest.Picture {
	t.Helper()
	picture, err := displaytest.Replay([]byte(out), columns, rows)
	if err != nil {
		t.Fatalf("%dx%d: written to a terminal: %v", columns, rows, err)
	}
	if picture.Scrolled > 0 {
		t.Fatalf("%dx%d: %d rows scrolled away at the top of %s", columns, rows, picture.Scrolled, shows)
	}
	if text := picture.Text(); strings.Count(text, "\n") >= rows && rows > 1 {
		t.Fatalf("%dx%d: no row is left for the cursor:\n%s", columns, rows, text)
	}
	if !strings.HasPrefix(shows, "QR of the ") {
		return picture
	}
	if picture.Wrapped > 0 {
		t.Fatalf("%dx%d: rows of a QR code wrapped: no decoder reads that", columns, rows)
	}
	theme := displaytest.Dark() // one here, both in the tests of single sizes
	if (columns+rows)%2 == 0 {
		theme = displaytest.Light()
	}
	got, err := displaytest.DecodeQR(picture.Image(theme, 4))
	if err != nil {
		t.Fatalf("%dx%d: %s: a phone cannot read it: %v", columns, rows, shows, err)
	}
	if want := payloadNamed(s, shows); got != want {
		t.Fatalf("%dx%d: %s: a phone reads %q, want %q", columns, rows, shows, got, want)
	}
	checkLit(t, picture)
	return picture
}

func payloadNamed(s display.Screen, shows string) string {
	for _, p := range s.Payloads {
		if strings.HasPrefix(shows, "QR of the "+p.Name+",") {
			return p.Text
		}
	}
	return ""
}

// checkLit checks that the code has a margin that is lit, by a background that
// was asked for: a theme's own may be dark.
func checkLit(t *testing.T, p displaytest.Picture) {
	t.Helper()
	for x := range 20 { // 2 modules are 1 row
		if c := p.Cells[0][x]; c.Rune != ' ' || c.Paper != 47 {
			t.Fatalf("row 0, column %d of the quiet zone is %q on %d, want a blank on 47", x, c.Rune, c.Paper)
		}
	}
	for y := range 10 {
		for x := range 2 {
			if c := p.Cells[y][x]; c.Rune != ' ' || c.Paper != 47 {
				t.Fatalf("row %d, column %d of the quiet zone is %q on %d, want a blank on 47", y, x, c.Rune, c.Paper)
			}
		}
	}
}

// TestNothingOutgrowsTheTerminal tries sizes from a badge to a wall, with and
// without half blocks.
func TestNothingOutgrowsTheTerminal(t *testing.T) {
	screens := []display.Screen{pair(), offer(t, 221), offer(t, 469)}
	drawn := map[string]int{}
	for i := range displaytest.Spread(9*11, 33) {
		rows, columns := 5+7*(i/11), 20+21*(i%11)
		s := screens[(rows+columns)%len(screens)]
		c := utf8Cells(columns, rows)
		if (rows+columns)%4 == 0 {
			c.NoHalfBlock, c.ASCII = "the locale C is not UTF-8", true
		}
		out, shows := c.FullScreen(s)
		if c.ASCII && strings.ContainsFunc(out, func(r rune) bool { return r > 0x7f }) {
			t.Fatalf("%dx%d: not ASCII, as this locale needs: %q", columns, rows, out)
		}
		checkTerminal(t, s, out, shows, columns, rows)
		drawn[strings.SplitN(shows, ":", 2)[0]]++
	}
	if len(drawn) < 4 {
		t.Errorf("drawn: %v; want each of three codes and text, or the test has tried nothing", drawn)
	}
}

// TestNamedSizeIsEnough enlarges the terminal to what the reason asks for.
func TestNamedSizeIsEnough(t *testing.T) {
	for _, s := range []display.Screen{pair(), offer(t, 221), offer(t, 354), offer(t, 469)} {
		for _, c := range []display.Cells{utf8Cells(30, 10), {Columns: 60, Rows: 20, Escapes: true, NoHalfBlock: "no font"}} {
			_, shows := c.FullScreen(s)
			var columns, rows int
			_, rest, _ := strings.Cut(shows, "needs ")
			if _, err := fmt.Sscanf(rest, "%dx%d cells", &columns, &rows); err != nil {
				t.Fatalf("%dx%d shows %q, which names no size: %v", c.Columns, c.Rows, shows, err)
			}
			c.Columns, c.Rows = columns, rows
			out, after := c.FullScreen(s)
			if !strings.HasPrefix(after, "QR of the "+s.Payloads[0].Name) {
				t.Errorf("asked for by %q, %dx%d shows %q", shows, columns, rows, after)
			}
			checkTerminal(t, s, out, after, columns, rows)
		}
	}
}

// TestAddressStaysWhole: at 80x24 the authorize URL has no code; its address
// must come out of a copy in one piece.
func TestAddressStaysWhole(t *testing.T) {
	s := offer(t, 469)
	out, shows := utf8Cells(80, 24).FullScreen(s)
	if !strings.Contains(out, "\n"+s.Address+"\r\n") {
		t.Errorf("the address is not on a line of its own:\n%s", out)
	}
	picture := checkTerminal(t, s, out, shows, 80, 24)
	text := strings.Join(strings.Fields(picture.Text()), " ")
	for _, want := range []string{
		"Open this address", "authorize URL needs 81x42 cells, this terminal has 80x24: enlarge it",
		`or link with a client id of "Other devices and platforms".`, "run lwa-agent link and paste it",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("a person would miss %q in:\n%s", want, picture.Text())
		}
	}
	if strings.Contains(text, "Scan") {
		t.Errorf("nothing can be scanned, but the text says so:\n%s", picture.Text())
	}
}

// TestTooSmallForTheAddress: half an address is of no use, so where to find it
// is said instead.
func TestTooSmallForTheAddress(t *testing.T) {
	out, shows := utf8Cells(40, 8).FullScreen(offer(t, 469))
	picture := checkTerminal(t, offer(t, 469), out, shows, 40, 8)
	text := strings.Join(strings.Fields(picture.Text()), " ")
	if !strings.Contains(text, "run: lwa-agent status") || strings.Contains(text, "https:") {
		t.Errorf("a terminal of 40x8 shows\n%s\nwant where to find the address, and no piece of it", picture.Text())
	}
}

// TestCodeForTypingIsLit: it must stand out on any theme.
func TestCodeForTypingIsLit(t *testing.T) {
	out, shows := utf8Cells(80, 24).FullScreen(pair())
	picture := checkTerminal(t, pair(), out, shows, 80, 24)
	for _, row := range picture.Cells {
		for x := range row {
			if x+6 <= len(row) && runes(row[x:x+6]) == "BEYHYS" {
				if row[x].Paper != 47 || row[x].Ink != 30 {
					t.Errorf("the code is set in %d on %d, want black on white (30 on 47)", row[x].Ink, row[x].Paper)
				}
				return
			}
		}
	}
	t.Errorf("the code for typing is nowhere:\n%s", picture.Text())
}

func runes(row []displaytest.Cell) string {
	var b strings.Builder
	for _, c := range row {
		b.WriteRune(c.Rune)
	}
	return b.String()
}

// TestLinkOverSSH is what lwa-agent link prints at 132x43: address, code, and
// one row left for the prompt.
func TestLinkOverSSH(t *testing.T) {
	s := offer(t, 469)
	out, shows := utf8Cells(132, 43).Inline(s, 1)
	if want := "QR of the authorize URL, version 15-L"; shows != want {
		t.Fatalf("shows %q, want %q", shows, want)
	}
	if address, code := strings.Index(out, s.Address+"\n"), strings.Index(out, "\x1b["); address < 0 || address > code {
		t.Errorf("the address stands at %d and the code at %d; want the address first, on a line of its own", address, code)
	}
	out += "Paste it here: "
	got, err := displaytest.DecodeTerminal([]byte(out), 132, 43)
	if err != nil || got != s.Address {
		t.Errorf("with the prompt below it the code reads %q (%v), want %q", got, err, s.Address)
	}
	out, shows = utf8Cells(80, 24).Inline(s, 1)
	if want := "text: authorize URL needs 81x42 cells, this terminal has 80x24: enlarge it"; shows != want {
		t.Errorf("at 80x24 shows %q, want %q", shows, want)
	}
	if !strings.Contains(out, "\n"+s.Address+"\n") || !strings.Contains(out, "81x42") {
		t.Errorf("at 80x24 want the address on a line of its own and the reason, got:\n%s", out)
	}
}

// TestLogsGetPlainText: escapes make journald store a line as a blob, and a
// code in a log helps nobody.
func TestLogsGetPlainText(t *testing.T) {
	for _, s := range []display.Screen{pair(), offer(t, 469)} {
		for _, out := range []string{first(display.Cells{}.Inline(s, 1)), first(display.Cells{}.FullScreen(s))} {
			if strings.ContainsAny(out, "\x1b▀") {
				t.Errorf("plain text holds escapes or blocks: %q", out)
			}
			if !strings.Contains(out, "\n"+s.Address+"\n") || !strings.Contains(out, s.Code) {
				t.Errorf("want the address on a line of its own, and the code %q:\n%s", s.Code, out)
			}
		}
	}
}

func TestWhatToDoStandsRightAboveTheAddress(t *testing.T) {
	for _, c := range []display.Cells{utf8Cells(132, 43), utf8Cells(80, 24)} {
		out, _ := c.Inline(pair(), 1)
		between, _, found := strings.Cut(out[strings.Index(out, pair().Scan)+len(pair().Scan):], pair().Address)
		if !found || strings.TrimSpace(between) != "" {
			t.Errorf("%dx%d: between %q and the address stands %q, and the sentence makes no sense:\n%s", c.Columns, c.Rows, pair().Scan, between, out)
		}
	}
}

func first(out, _ string) string { return out }

// TestEveryRowResetsItsColours: a terminal paints the line that scrolls in, in
// the background it was left with.
func TestEveryRowResetsItsColours(t *testing.T) {
	for _, c := range []display.Cells{utf8Cells(132, 43), {Columns: 240, Rows: 100, Escapes: true, NoHalfBlock: "no font"}} {
		out, _ := c.Inline(pair(), 1)
		for row := range strings.Lines(out) {
			if strings.Contains(row, "\x1b[") && !strings.HasSuffix(row, "\x1b[0m\n") {
				t.Errorf("row %q does not end in a reset", row)
			}
		}
	}
}

// FuzzForeignTextMovesNoCursor: an account's name comes over the network.
func FuzzForeignTextMovesNoCursor(f *testing.F) {
	f.Add("\x1b[2J\x1b]0;gone\x07", 80, 24)
	f.Add("Jörg 山田太郎 e\u0301\u202e", 20, 5)
	f.Add("\xff\xfe\x9b2J\r\r\n", 7, 3)
	f.Fuzz(func(t *testing.T, text string, columns, rows int) {
		columns, rows = 2+abs(columns)%250, 2+abs(rows)%80
		s := display.Screen{
			Kind: display.Linked, Title: text, Problem: text, Scan: text, Open: text, Address: text,
			Enter: text, Code: text, Lines: []string{text, text}, SmallerCode: text, Elsewhere: text,
		}
		for _, out := range []string{
			first(utf8Cells(columns, rows).FullScreen(s)), first(utf8Cells(columns, rows).Inline(s, 1)),
		} {
			if _, err := displaytest.Replay([]byte(out), columns, rows); err != nil {
				t.Fatalf("%dx%d, text %q: the terminal is told more than to print: %v", columns, rows, text, err)
			}
		}
	})
}

func abs(n int) int {
	if n < 0 {
		return -(n + 1)
	}
	return n
}

// TestCodePairIsWholeAt80x24: the size of most terminals over SSH. What to do,
// the address and the code stay in sight with the QR code and the prompt.
func TestCodePairIsWholeAt80x24(t *testing.T) {
	s := pair()
	out, _ := utf8Cells(80, 24).Inline(s, 1)
	rows := strings.Split(out, "\n") // the last one is the prompt's
	seen := strings.Join(rows[len(rows)-24:], "\n")
	for _, words := range []string{s.Scan, s.Address, s.Enter, s.Code} {
		if !strings.Contains(seen, words) {
			t.Errorf("%q has scrolled out of sight:\n%s", words, out)
		}
	}
	if got, err := displaytest.DecodeTerminal([]byte(out+"Waiting … "), 80, 24); err != nil || got != pairURL {
		t.Errorf("the code reads %q (%v), want %q", got, err, pairURL)
	}
}

// TestTextAloneIsSetCloselyWhereRowsAreFew: at 80x24 the way that needs no
// paste stands above all this, and would scroll out of sight.
func TestTextAloneIsSetCloselyWhereRowsAreFew(t *testing.T) {
	s := offer(t, 221)
	out, _ := utf8Cells(80, 24).Inline(s, 1)
	if strings.Contains(out, "\n\n") {
		t.Errorf("80x24 has no rows to give away:\n%s", out)
	}
	if out, _ = utf8Cells(80, 60).Inline(display.Screen{Kind: s.Kind, Title: s.Title, Lines: s.Lines, Open: s.Open}, 1); !strings.Contains(out, "\n\n") {
		t.Errorf("80x60 has rows to spare, and what belongs together is to be seen:\n%s", out)
	}
}
