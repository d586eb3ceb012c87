package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func someTable() table {
	rows := []row{
		{Name: rowStart, What: "start to socket answering", Goal: atMost(6, ms), figure: summarize([]float64{5.04, 7.5, 5.05}, "a note of its own.")},
		{Name: rowTokenRate, What: "hand-outs a second, 16 clients", Goal: goal{Limit: 40000, Unit: "/s", AtLeast: true}, figure: single(38211.4, 1_000_000, "")},
		{Name: rowDiskKept, What: "written per refresh without rotation", Goal: atMost(0, "KiB"), figure: figure{Why: "it takes root"}},
	}
	return table{Machine: machine{CPU: "Some CPU", Cores: 2, Kernel: "6.1", Go: "go1.26", Arch: "amd64", Disk: "ext4", Commit: "abc", Load: "0.01"}, Seconds: 61.2, Rows: rows}
}

func TestTableHasTheGoalBesideEachFigure(t *testing.T) {
	var b strings.Builder
	if err := someTable().write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `lwa-agent abc, go1.26, on Some CPU with 2 cores (x86; not measured on a Pi)
Linux 6.1, state on ext4, load before 0.01

                                                 goal       median          p99      runs
start to socket answering                      ≤ 6 ms      5.05 ms      7.50 ms         3
hand-outs a second, 16 clients            ≥ 40,000 /s    38,211 /s              1,000,000  missed
written per refresh without rotation          ≤ 0 KiB  not taken: it takes root

The p99 of fewer than 100 runs is their maximum. MB are of 1,000,000 bytes.
Taken in 61 s.

start: a note of its own.
`
	if got := b.String(); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

func TestOnlyAnX86IsCalledOne(t *testing.T) {
	m := someTable().Machine
	m.Arch = "arm"
	if got := m.String(); strings.Contains(got, "Pi") {
		t.Errorf("on an arm machine the head is %q: it may well be a Pi", got)
	}
}

func TestJSONHoldsWhatTheTableDoes(t *testing.T) {
	var b strings.Builder
	if err := someTable().writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine struct{ CPU string }
		Seconds float64
		Rows    []struct {
			Name string
			Goal struct {
				Limit   float64
				Unit    string
				AtLeast bool `json:"at_least"`
			}
			Median, P99 *float64
			Runs        int
			Why         string
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Machine.CPU != "Some CPU" || got.Seconds != 61.2 || len(got.Rows) != 3 {
		t.Fatalf("the JSON holds %+v", got)
	}
	first, second, third := got.Rows[0], got.Rows[1], got.Rows[2]
	if first.Name != rowStart || *first.Median != 5.05 || *first.P99 != 7.5 || first.Runs != 3 || first.Goal.Limit != 6 || first.Goal.Unit != ms {
		t.Errorf("the first row is %+v", first)
	}
	if *second.Median != 38211.4 || second.P99 != nil || !second.Goal.AtLeast {
		t.Errorf("the second row is %+v, want the figure as it was measured, and no p99", second)
	}
	if third.Median != nil || third.Why != "it takes root" {
		t.Errorf("the third row is %+v, want no figure, which is not 0, and why", third)
	}
}

func TestNumbersHaveThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0294: "0.0294", 0.5: "0.500", 5.111: "5.11", 51.11: "51.1", 511.1: "511", 5111: "5,111",
		999.4: "999", 1234567: "1,234,567", -2.5: "-2.50", -0.5: "-0.500",
	} {
		if got := number(v); got != want {
			t.Errorf("%g is written %q, want %q", v, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 100000: "100,000", -1: "-1", -100: "-100", -1000: "-1,000"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}

func TestNotesAreWrapped(t *testing.T) {
	got := wrap("name: one two ≤≤≤ four", 12, "  ")
	if want := "name: one\n  two ≤≤≤\n  four"; got != want {
		t.Errorf("wrapped it is %q, want %q", got, want)
	}
	for line := range strings.Lines(wrap(strings.Repeat("word ", 100), 40, "  ")) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 40 {
			t.Errorf("a line has %d characters, want 40 at most", n)
		}
	}
}

func TestOptionsNameRows(t *testing.T) {
	o, err := parse([]string{"--only", "qr,start", "--json"})
	if err != nil || !o.json || !o.wants(rowQRPair) || !o.wants(rowStart) || o.wants(rowBinary) {
		t.Errorf("options %+v (%v), want the rows that begin with qr, and start", o, err)
	}
	for _, args := range [][]string{{"--only", "speed"}, {"--only", ""}, {"extra"}, {"--fast"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q is taken, and the table would be empty or not what was meant", args)
		}
	}
}
