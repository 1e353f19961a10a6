package main

import (
	"math/bits"
	"time"
)

// subBits sets the error of a histogram: 128 linear parts for each power of two
// keep it below 0.8 %.
const subBits = 7

// histogram counts durations in parts that grow with them, so that it takes the
// same memory for a thousand as for a million.
type histogram struct {
	counts [64 << subBits]uint64
	total  uint64
	sum    uint64
	most   uint64
}

func partOf(v uint64) int {
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift)&(1<<subBits-1) //nolint:gosec // v>>shift is below 256
}

// ceiling is the highest value that part i counts.
func ceiling(i int) uint64 {
	if i < 1<<subBits {
		return uint64(i) //nolint:gosec // an index
	}
	shift := i>>subBits - 1
	return uint64((i&(1<<subBits-1)|1<<subBits)+1)<<shift - 1 //nolint:gosec // an index
}

func (h *histogram) add(d time.Duration) {
	v := uint64(max(0, d))
	h.counts[partOf(v)]++
	h.total++
	h.sum += v
	h.most = max(h.most, v)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.sum += o.sum
	h.most = max(h.most, o.most)
}

// quantile returns what a share q of all durations does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	want := max(1, uint64(q*float64(h.total)+0.5))
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= want {
			return time.Duration(min(ceiling(i), h.most)) //nolint:gosec // a duration went in
		}
	}
	return time.Duration(h.most) //nolint:gosec // a duration went in
}
