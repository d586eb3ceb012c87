package displaytest

import "iter"

// Spread is the numbers from 0 to n-1 of the cases of a sweep: all of them, and with
// the race detector so few of them, evenly, the first and the last among them. What
// a single goroutine draws has no race to be found, and takes 20 times as long under
// the detector; .ci/run has all cases, without it (deeper).
func Spread(n, few int) iter.Seq[int] { return spread(n, few, racing) }

func spread(n, few int, racing bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		if few = max(few, 2); !racing || few > n {
			few = n
		}
		for i := range few {
			if !yield(i * (n - 1) / max(few-1, 1)) {
				return
			}
		}
	}
}
