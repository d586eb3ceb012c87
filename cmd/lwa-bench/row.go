package main

import (
	"math"
	"slices"
	"time"
)

// row is a line of the table: what is measured, its goal, and the figure.
type row struct {
	Name string `json:"name"`
	What string `json:"what"`
	Goal goal   `json:"goal"`
	figure
}

// goal is a limit in the unit of the row.
type goal struct {
	Limit   float64 `json:"limit"`
	Unit    string  `json:"unit"`
	AtLeast bool    `json:"at_least,omitempty"` // else at most
	P99     bool    `json:"p99,omitempty"`      // it is for the p99, else for the median
}

// figure is what was measured. Where there are several runs, Median and P99 are
// theirs; P99 is nil where one value is all there is. Why says why there is none.
type figure struct {
	Median *float64 `json:"median"`
	P99    *float64 `json:"p99,omitempty"`
	Runs   int      `json:"runs"`
	Note   string   `json:"note,omitempty"`
	Why    string   `json:"why,omitempty"`
}

const (
	ms = "ms"
	mb = "MB" // of 1,000,000 bytes
)

func atMost(limit float64, unit string) goal { return goal{Limit: limit, Unit: unit} }
func p99AtMost(milliseconds float64) goal    { return goal{Limit: milliseconds, Unit: ms, P99: true} }

// allRows is the table before anything was measured.
func allRows() []row {
	return []row{
		{Name: rowStart, What: "start to socket answering", Goal: atMost(6, ms)},
		{Name: rowQRPair, What: "start to last byte of the code-pair QR", Goal: atMost(10, ms)},
		{Name: rowQRAuthorize, What: "start to last byte of the authorize QR", Goal: atMost(14, ms)},
		{Name: rowTokenHTTP, What: "hand-out over a kept HTTP connection", Goal: atMost(0.035, ms)},
		{Name: rowTokenSocket, What: "hand-out over token.sock", Goal: atMost(0.06, ms)},
		{Name: rowTokenRate, What: "hand-outs a second, 16 clients", Goal: goal{Limit: 40000, Unit: "/s", AtLeast: true}},
		{Name: rowTokenHang, What: "hand-out while a refresh hangs, p99", Goal: p99AtMost(1)},
		{Name: rowCommand, What: "lwa-agent token, whole process", Goal: atMost(3, ms)},
		{Name: rowDropNewline, What: "dropped file, with newline, to request", Goal: atMost(20, ms)},
		{Name: rowDropOther, What: "dropped file, without, to request", Goal: atMost(150, ms)},
		{Name: rowSignIn, What: `sign-in finished to "linked"`, Goal: p99AtMost(5500)},
		{Name: rowOLEDFast, What: "start to last pixel: OLED at 400 kHz", Goal: atMost(35, ms)},
		{Name: rowOLEDSlow, What: "start to last pixel: OLED at 100 kHz", Goal: atMost(115, ms)},
		{Name: rowScreenSmall, What: "start to last pixel: framebuffer 800x480", Goal: atMost(15, ms)},
		{Name: rowScreenLarge, What: "start to last pixel: framebuffer 1080p", Goal: atMost(40, ms)},
		{Name: rowUnchanged, What: "sent for an unchanged screen", Goal: atMost(0, "bytes")},
		{Name: rowOneLine, What: "sent for a line, part of an OLED frame", Goal: goal{Limit: 25, Unit: "%", P99: true}},
		{Name: rowRefreshes, What: "e-paper refreshes per change of screen", Goal: atMost(1, "")},
		{Name: rowCoreRSS, What: "memory, linked and idle: core, RSS", Goal: atMost(12, mb)},
		{Name: rowCoreAnonymous, What: "memory, linked and idle: core, anonymous", Goal: atMost(5, mb)},
		{Name: rowDisplayRSS, What: "memory, linked and idle: display, RSS", Goal: atMost(10, mb)},
		{Name: rowWorn, What: "memory, worn: core, RSS above idle", Goal: atMost(1, mb)},
		{Name: rowCoreWakes, What: "own wake-ups a minute: core", Goal: atMost(4, "/min")},
		{Name: rowDisplayWakes, What: "own wake-ups a minute: display", Goal: atMost(4, "/min")},
		{Name: rowDiskKept, What: "written per refresh without rotation", Goal: atMost(0, "KiB")},
		{Name: rowDiskRotated, What: "written per refresh with rotation", Goal: atMost(30, "KiB")},
		{Name: rowBinary, What: "binary, arm v6, stripped", Goal: atMost(9, mb)},
	}
}

// judged is the figure that the goal is for; nil if there is none.
func (r row) judged() *float64 {
	if r.Goal.P99 {
		return r.P99
	}
	return r.Median
}

// missed reports whether there is a figure and it misses its goal.
func (r row) missed() bool {
	got := r.judged()
	switch {
	case got == nil:
		return false
	case r.Goal.AtLeast:
		return *got < r.Goal.Limit
	}
	return *got > r.Goal.Limit
}

// summarize makes a figure of the values of all runs.
func summarize(values []float64, note string) figure {
	if len(values) == 0 {
		return figure{Why: "no run gave a value"}
	}
	sorted := slices.Sorted(slices.Values(values))
	median, p99 := quantile(sorted, 0.5), quantile(sorted, 0.99)
	return figure{Median: &median, P99: &p99, Runs: len(values), Note: note}
}

// single is a figure of one value, which came of so many runs.
func single(value float64, runs int, note string) figure {
	return figure{Median: &value, Runs: runs, Note: note}
}

// quantile is the smallest value that a part q of all values does not exceed
// (nearest rank): one that was measured, and the greatest where a part of 1-q
// is less than one value.
func quantile(sorted []float64, q float64) float64 {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func milliseconds(durations []time.Duration) []float64 {
	values := make([]float64, len(durations))
	for i, d := range durations {
		values[i] = inMilliseconds(d)
	}
	return values
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
