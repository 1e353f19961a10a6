package main

import (
	"math"
	"slices"
	"time"
)

// comparison says how well two kinds of answers are told apart by their time.
type comparison struct {
	// Sooner is the chance that an answer of the one kind is faster than one of
	// the other (Mann and Whitney's U over n·m): 0.5 tells nothing.
	Sooner float64 `json:"sooner"`
	// Distance is the largest difference between the two distributions (Kolmogorov
	// and Smirnov's D): by how much the best threshold betters a guess.
	Distance float64 `json:"distance"`
	// Z is how many standard deviations Sooner is from 0.5.
	Z float64 `json:"z"`
}

// compare sorts both samples, and compares them.
func compare(a, b []time.Duration) comparison {
	slices.Sort(a)
	slices.Sort(b)
	n, m := float64(len(a)), float64(len(b))
	var sooner, distance float64
	i, below, upTo := 0, 0, 0 // in a; below and upTo count those of b
	for i < len(a) {
		v := a[i]
		same := i
		for same < len(a) && a[same] == v {
			same++
		}
		for below < len(b) && b[below] < v {
			below++
		}
		// Before v the distance is largest just ahead of the step, after it behind.
		distance = max(distance, math.Abs(float64(i)/n-float64(below)/m))
		upTo = max(upTo, below)
		for upTo < len(b) && b[upTo] == v {
			upTo++
		}
		distance = max(distance, math.Abs(float64(same)/n-float64(upTo)/m))
		sooner += float64(same-i) * (float64(len(b)-upTo) + float64(upTo-below)/2)
		i = same
	}
	sooner /= n * m
	return comparison{sooner, distance, (sooner - 0.5) / math.Sqrt((n+m+1)/(12*n*m))}
}

// at returns the q-quantile of a sorted sample.
func at(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// median of a few numbers.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s)%2 == 1 {
		return s[len(s)/2]
	}
	return (s[len(s)/2-1] + s[len(s)/2]) / 2
}
