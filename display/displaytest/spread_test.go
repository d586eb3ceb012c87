package displaytest

import (
	"slices"
	"testing"
)

// TestFewCasesOfASweepHaveItsEnds: what goes wrong does so with the smallest and the
// largest.
func TestFewCasesOfASweepHaveItsEnds(t *testing.T) {
	for _, want := range []struct {
		n, few int
		racing bool
		cases  []int
	}{
		{5, 2, false, []int{0, 1, 2, 3, 4}},
		{5, 2, true, []int{0, 4}},
		{7, 3, true, []int{0, 3, 6}},
		{26, 6, true, []int{0, 5, 10, 15, 20, 25}},
		{3, 9, true, []int{0, 1, 2}},
		{9, 0, true, []int{0, 8}},
		{1, 1, true, []int{0}},
		{0, 3, true, nil},
	} {
		if got := slices.Collect(spread(want.n, want.few, want.racing)); !slices.Equal(got, want.cases) {
			t.Errorf("%d of %d, racing %v: %v, want %v", want.few, want.n, want.racing, got, want.cases)
		}
	}
}
