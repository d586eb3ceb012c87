package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// isNumber reports whether the value is one, which stands without quotes.
func (s Setting) isNumber() bool {
	return slices.Contains([]string{"width", "height", "rotate", "address", "width_mm"}, lastKey(s.Path))
}

// number returns the number at path, 0 when it is not set.
func (r *reader) number(path string) float64 {
	v, ok := r.values[path]
	if !ok {
		return 0
	}
	if v.kind != unstable.Integer && v.kind != unstable.Float {
		r.reject(path, fmt.Sprintf("%s is %s, not a number", path, kindName(v.kind)), "write digits without quotes")
		return 0
	}
	if n, err := strconv.ParseInt(v.text, 0, 64); err == nil { // with base 0 it takes what TOML does
		return float64(n)
	}
	if n, err := strconv.ParseFloat(strings.ReplaceAll(v.text, "_", ""), 64); err == nil && !math.IsInf(n, 0) && !math.IsNaN(n) {
		return n
	}
	r.reject(path, path+" is no number that can be used", "write digits")
	return 0
}

// whole returns the whole number at path if it lies between least and most, 0
// when it is not set.
func (r *reader) whole(path string, least, most int) int {
	n := r.number(path)
	if _, set := r.values[path]; !set || r.bad[path] {
		return 0
	}
	if n != math.Trunc(n) || n < float64(least) || n > float64(most) {
		r.reject(path, fmt.Sprintf("%s is %v", path, n), fmt.Sprintf("write a whole number from %d to %d", least, most))
		return 0
	}
	return int(n)
}
