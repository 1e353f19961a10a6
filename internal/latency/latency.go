// Package latency counts durations on one scale for all: from a quarter of a
// millisecond to half a minute by doublings. What is counted so can be added up,
// over hours, nodes and whatever else, and quantiles can still be told from the sum.
//
// A quantile is told from the bucket that it is in, so it is off by less than a
// factor of two; where durations are spread over a bucket, by far less.
//
// It does not remember single durations, and knows nothing of what took so long.
package latency

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets is how many there are; the last is for all that is longer than the rest.
const Buckets = 19

// first is the upper bound of the first bucket.
const first = 250 * time.Microsecond

// Bound is the longest duration that counts in bucket i. The last has none.
func Bound(i int) time.Duration { return first << i }

// Bucket is where d counts.
func Bucket(d time.Duration) int {
	if d <= first {
		return 0
	}
	return min(bits.Len64(uint64((d-1)/first)), Buckets-1)
}

// Histogram is how many durations there were in each bucket.
type Histogram [Buckets]int64

// Add counts d.
func (h *Histogram) Add(d time.Duration) { h[Bucket(d)]++ }

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other {
		h[i] += n
	}
}

// Count is how many durations there were.
func (h *Histogram) Count() (n int64) {
	for _, in := range h {
		n += in
	}
	return n
}

// Quantile is the duration below which the part q of them was, and false if there
// were none. Within its bucket it is interpolated. Of the last bucket only its
// beginning is known.
func (h *Histogram) Quantile(q float64) (time.Duration, bool) {
	all := h.Count()
	if all == 0 {
		return 0, false
	}
	rank, below := q*float64(all), 0.0
	for i, in := range h[:Buckets-1] {
		if in > 0 && below+float64(in) >= rank {
			var from time.Duration
			if i > 0 {
				from = Bound(i - 1)
			}
			return from + time.Duration(float64(Bound(i)-from)*max(0, rank-below)/float64(in)), true
		}
		below += float64(in)
	}
	return Bound(Buckets - 2), true
}

// Counter counts durations of many goroutines. The zero Counter has counted nothing.
type Counter struct {
	buckets [Buckets]atomic.Int64
	total   atomic.Int64 // nanoseconds
}

// Add counts d.
func (c *Counter) Add(d time.Duration) {
	c.buckets[Bucket(d)].Add(1)
	c.total.Add(int64(d))
}

// Load returns what was counted, and the total of the durations.
func (c *Counter) Load() (h Histogram, total time.Duration) {
	for i := range c.buckets {
		h[i] = c.buckets[i].Load()
	}
	return h, time.Duration(c.total.Load())
}
