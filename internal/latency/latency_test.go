package latency_test

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-dev/sallyport/internal/latency"
)

func TestEveryDurationCountsInTheBucketWhoseBoundItReaches(t *testing.T) {
	for i := range latency.Buckets - 1 {
		bound := latency.Bound(i)
		if got := latency.Bucket(bound); got != i {
			t.Errorf("%v is in bucket %d, want %d", bound, got, i)
		}
		if got := latency.Bucket(bound + 1); got != i+1 {
			t.Errorf("a nanosecond more than %v is in bucket %d, want %d", bound, got, i+1)
		}
	}
	for d, want := range map[time.Duration]int{-time.Second: 0, 0: 0, 1: 0, math.MaxInt64: latency.Buckets - 1, 32768 * time.Millisecond: latency.Buckets - 2} {
		if got := latency.Bucket(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
}

// The figure and the duration that has that rank are in one bucket, so neither is
// twice the other.
func TestAQuantileIsOffByLessThanAFactorOfTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		took := rapid.SliceOfN(rapid.Int64Range(int64(time.Millisecond), int64(30*time.Second)), 1, 300).Draw(t, "durations")
		var h, half latency.Histogram
		for i, d := range took {
			if i%2 == 0 {
				h.Add(time.Duration(d))
			} else {
				half.Add(time.Duration(d))
			}
		}
		h.Merge(&half)
		slices.Sort(took)
		for _, q := range []float64{0.5, 0.95, 0.99, 1} {
			got, ok := h.Quantile(q)
			want := took[max(0, int(math.Ceil(q*float64(len(took))))-1)]
			if ratio := float64(got) / float64(want); !ok || ratio > 2 || ratio < 0.5 {
				t.Fatalf("p%g is %v, want about %v", q*100, got, time.Duration(want))
			}
		}
	})
}

func TestQuantilesOfNothingAndOfWhatIsLongerThanTheScale(t *testing.T) {
	var h latency.Histogram
	if _, ok := h.Quantile(0.5); ok {
		t.Error("nothing has a median")
	}
	h.Add(time.Hour)
	if got, ok := h.Quantile(0.5); !ok || got != 32768*time.Millisecond {
		t.Errorf("an hour: %v", got)
	}
}

func TestACounterLosesNothingOfManyAtOnce(t *testing.T) {
	var c latency.Counter
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				c.Add(3 * time.Millisecond)
			}
		})
	}
	all.Wait()
	h, total := c.Load()
	if h.Count() != 4000 || h[latency.Bucket(3*time.Millisecond)] != 4000 || total != 12*time.Second {
		t.Errorf("counted %v, in total %v", h, total)
	}
}
