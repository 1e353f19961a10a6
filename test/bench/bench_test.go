package main

import (
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAHistogramTellsQuantilesToWithinAHundredth(t *testing.T) {
	var h histogram
	for i := 1; i <= 100_000; i++ {
		h.add(time.Duration(i) * time.Microsecond)
	}
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		got, want := float64(h.quantile(q)), q*1e8
		if got < want*0.999 || got > want*1.01 {
			t.Errorf("quantile %v is %v, want about %v", q, got, want)
		}
	}
	for _, v := range []uint64{0, 1, 127, 128, 129, 255, 256, 1000, 1e6, 1e9, 1e12, 1<<63 - 1} {
		if high := ceiling(partOf(v)); high < v || float64(high-v) > float64(v)/100 {
			t.Errorf("%d is counted with those up to %d", v, high)
		}
	}
}

func TestAConnectionReadsOneAnswerAfterAnother(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := map[string]int{"/ok": 200, "/refused": 401}[r.URL.Path]
		w.WriteHeader(status)
		_, _ = w.Write([]byte(strings.Repeat("x", status)))
	}))
	defer s.Close()
	c := connection{address: s.Listener.Addr().String()}
	defer c.close()
	for range 3 {
		for path, want := range map[string]int{"/ok": 200, "/refused": 401} {
			status, err := c.do([]byte("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"), time.Now().Add(time.Second))
			if err != nil || status != want || len(c.body) != want {
				t.Errorf("%s: %d, %d bytes, %v", path, status, len(c.body), err)
			}
		}
	}
}

func TestALatencyCountsFromWhenTheRequestWasDue(t *testing.T) {
	const stall = time.Second
	first := true
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if first {
			time.Sleep(stall)
			first = false
		}
	}))
	defer s.Close()
	l := load{address: s.Listener.Addr().String(), requests: [][]byte{[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")}, status: 200, at: 1}
	m, err := l.open(stall/2, 100)
	if err != nil {
		t.Fatal(err)
	}
	// All of them were due while the first one stalled, in the first half of that: each
	// was as late as half of it, however slow the machine is.
	if late := m.quantile(0.2); m.total < 10 || late < stall/3 {
		t.Errorf("%d requests, all but a fifth of them took longer than %v", m.total, late)
	}
	if late := m.late.quantile(0.2); late < stall/3 { // there is one connection: they could not be sent
		t.Errorf("all but a fifth of them were sent later than %v", late)
	}
}

func TestCompareTellsDistributionsApartAndOnlyThen(t *testing.T) {
	sample := func(mean float64) []time.Duration {
		out := make([]time.Duration, 5000)
		for i := range out {
			out[i] = time.Duration(1e5 * (mean + rand.NormFloat64()*0.1))
		}
		return out
	}
	same := compare(sample(1), sample(1))
	if math.Abs(same.Sooner-0.5) > 0.03 || same.Distance > 0.05 || math.Abs(same.Z) > 5 {
		t.Errorf("the same distribution twice: %+v", same)
	}
	faster := compare(sample(1), sample(1.1)) // by a standard deviation
	if math.Abs(faster.Sooner-0.76) > 0.02 || math.Abs(faster.Distance-0.38) > 0.03 || faster.Z < 30 {
		t.Errorf("one that is faster: %+v, want about 0.76 and 0.38", faster)
	}
	ties := compare([]time.Duration{1, 1, 2, 2}, []time.Duration{1, 1, 2, 2})
	if ties.Sooner != 0.5 || ties.Distance != 0 {
		t.Errorf("equal samples: %+v", ties)
	}
	if apart := compare([]time.Duration{1, 2}, []time.Duration{3, 4}); apart.Sooner != 1 || apart.Distance != 1 {
		t.Errorf("samples without a value in common: %+v", apart)
	}
}
