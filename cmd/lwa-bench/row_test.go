package main

import (
	"testing"
	"time"
)

func TestQuantileIsAValueThatWasMeasured(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for _, test := range []struct {
		sorted []float64
		q      float64
		want   float64
		why    string
	}{
		{[]float64{7}, 0.5, 7, "one run is its own median"},
		{[]float64{7}, 0.99, 7, "one run is its own p99"},
		{[]float64{1, 2}, 0.5, 1, "half of the runs took no longer"},
		{[]float64{1, 2, 9}, 0.5, 2, "the middle one"},
		{hundred, 0.5, 50, "50 of 100 took no longer"},
		{hundred, 0.99, 99, "99 of 100 took no longer"},
		{hundred[:99], 0.99, 99, "below 100 runs the p99 is the maximum"},
		{hundred, 1, 100, "the greatest"},
		{hundred, 0, 1, "the smallest"},
	} {
		if got := quantile(test.sorted, test.q); got != test.want {
			t.Errorf("quantile %g of %d values is %g, want %g: %s", test.q, len(test.sorted), got, test.want, test.why)
		}
	}
}

func TestSummaryDoesNotNeedSortedValues(t *testing.T) {
	values := []float64{3, 1, 2}
	f := summarize(values, "")
	if *f.Median != 2 || *f.P99 != 3 || f.Runs != 3 {
		t.Errorf("median %g, p99 %g of %d runs, want 2, 3 of 3", *f.Median, *f.P99, f.Runs)
	}
	if values[0] != 3 {
		t.Error("the values of the caller were sorted: they are in the order of the runs")
	}
}

func TestNoRunsAreNoFigure(t *testing.T) {
	if f := summarize(nil, ""); f.Median != nil || f.Why == "" {
		t.Errorf("the figure of no runs is %+v, want none and why", f)
	}
}

func TestDurationsAreMilliseconds(t *testing.T) {
	if got := milliseconds([]time.Duration{1500 * time.Microsecond})[0]; got != 1.5 {
		t.Errorf("1500 µs are %g ms, want 1.5", got)
	}
}

func TestGoalIsMissedOnlyByAFigure(t *testing.T) {
	five, fifty := 5.0, 50.0
	for _, test := range []struct {
		goal goal
		figure
		want bool
		why  string
	}{
		{atMost(5, ms), figure{Median: &five, P99: &fifty}, false, "at most means that the limit itself is in"},
		{atMost(4.9, ms), figure{Median: &five}, true, "it is above"},
		{p99AtMost(10), figure{Median: &five, P99: &fifty}, true, "the goal is for the p99"},
		{p99AtMost(10), figure{Median: &five}, false, "there is no p99"},
		{goal{Limit: 5, AtLeast: true}, figure{Median: &five}, false, "at least means that the limit itself is in"},
		{goal{Limit: 6, AtLeast: true}, figure{Median: &five}, true, "it is below"},
		{atMost(0, "KiB"), figure{Why: "no root"}, false, "what was not taken misses nothing"},
	} {
		if got := (row{Goal: test.goal, figure: test.figure}).missed(); got != test.want {
			t.Errorf("goal %s: missed is %t, want %t: %s", test.goal, got, test.want, test.why)
		}
	}
}

func TestEachRowHasANameOfItsOwn(t *testing.T) {
	known := map[string]bool{}
	for _, r := range allRows() {
		if known[r.Name] {
			t.Errorf("two rows are called %s: --only and those who compare runs could not tell them apart", r.Name)
		}
		known[r.Name] = true
	}
	for _, p := range (&bench{}).parts() {
		for _, name := range p.rows {
			if !known[name] {
				t.Errorf("a part measures %s, which is no row: nobody would see it", name)
			}
			delete(known, name)
		}
	}
	for name := range known {
		t.Errorf("no part, or a second one, measures %s", name)
	}
}

func TestThreadsThatAreNewCountFromTheirStart(t *testing.T) {
	before := map[string]int64{"1": 10, "2": 5}
	now := map[string]int64{"1": 12, "2": 5, "3": 4}
	if got := sleepsSince(before, now); got != 6 {
		t.Errorf("%d switches, want 2 of the first thread and 4 of the new one", got)
	}
}
