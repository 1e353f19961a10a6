package main

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// answerIn is how long an answer may take before the run is given up.
const answerIn = 30 * time.Second

// load is what is sent to a server.
type load struct {
	address  string
	tls      *tls.Config
	requests [][]byte // used in turn
	status   int      // that every answer has
	at       int      // connections
}

// measured is what came of a load.
type measured struct {
	histogram
	late histogram // how long after it was due a request was sent
	took time.Duration
}

func (m *measured) perSecond() float64 { return float64(m.total) / m.took.Seconds() }

// worker is one connection's part of a load.
type worker struct {
	*load
	connection
	next *atomic.Uint64
	seen histogram
	late histogram
	err  error
}

// one sends the next request, which was due at a time, and counts how long its answer
// took from then on.
func (w *worker) one(due time.Time) bool {
	return w.ask(w.requests[w.next.Add(1)%uint64(len(w.requests))], due)
}

// ask sends a request.
func (w *worker) ask(request []byte, due time.Time) bool {
	w.late.add(time.Since(due))
	status, err := w.do(request, time.Now().Add(answerIn))
	if err == nil && status != w.status {
		err = fmt.Errorf("status %d, want %d: %.200s", status, w.status, w.body)
	}
	w.err = err
	w.seen.add(time.Since(due))
	return err == nil
}

// run gives each connection to a goroutine, and gathers what they saw.
func (l *load) run(each func(w *worker)) (measured, error) {
	var (
		next    atomic.Uint64
		wg      sync.WaitGroup
		workers = make([]*worker, l.at)
	)
	next.Store(rand.Uint64() >> 1) //nolint:gosec // where in the list to begin is no secret
	began := time.Now()
	for i := range workers {
		w := &worker{load: l, connection: connection{address: l.address, tls: l.tls}, next: &next}
		workers[i] = w
		wg.Go(func() { each(w) })
	}
	wg.Wait()
	m := measured{took: time.Since(began)}
	for _, w := range workers {
		w.close()
		if w.err != nil {
			return m, w.err
		}
		m.merge(&w.seen)
		m.late.merge(&w.late)
	}
	return m, nil
}

// closed sends on each connection the next request as soon as the last one is
// answered: as much as the server can take.
func (l *load) closed(d time.Duration) (measured, error) {
	end := time.Now().Add(d)
	return l.run(func(w *worker) {
		for now := time.Now(); now.Before(end) && w.one(now); now = time.Now() {
		}
	})
}

// exactly sends every request once, as fast as answers come, and has keep look at
// each answer's body; nil: nobody looks.
func (l *load) exactly(keep func(i int, body []byte)) (measured, error) {
	var sent atomic.Int64
	return l.run(func(w *worker) {
		for i := sent.Add(1) - 1; i < int64(len(l.requests)); i = sent.Add(1) - 1 {
			if !w.ask(l.requests[i], time.Now()) {
				return
			}
			if keep != nil {
				keep(int(i), w.body)
			}
		}
	})
}

// open sends requests at times that do not wait for the server: gaps are
// exponential, and a latency counts from when the request was due. A server that
// stalls is charged for every request that it held up (no coordinated omission).
func (l *load) open(d time.Duration, rate float64) (measured, error) {
	due := make(chan time.Time, int(d.Seconds()*rate*2)+1)
	go func() {
		defer close(due)
		// A thread of its own: timers of the runtime are a millisecond late when
		// nothing else goes on.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		began := time.Now()
		gap := float64(time.Second) / rate
		for at := time.Duration(0); at < d; at += time.Duration(rand.ExpFloat64() * gap) { //nolint:gosec // chance, no secret
			for wait := at - time.Since(began); wait > 0; wait = at - time.Since(began) {
				pause := syscall.NsecToTimespec(int64(wait))
				_ = syscall.Nanosleep(&pause, nil) // the loop looks again
			}
			due <- began.Add(at)
		}
	}()
	return l.run(func(w *worker) {
		for at := range due {
			if !w.one(at) {
				return
			}
		}
	})
}
