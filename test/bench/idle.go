package main

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// idleMemory is how many bytes a server may take with all idle connections.
const idleMemory = 150e6

// idle is how much of a server is in memory while connections are kept and do nothing.
type idle struct {
	Server      string  `json:"server"`
	Connections int     `json:"connections"`
	Before      float64 `json:"rss_mb_before"` // MB are millions of bytes
	Resident    float64 `json:"rss_mb"`
	Each        float64 `json:"bytes_per_connection"`
	Heap        float64 `json:"heap_mb"`          // that lives, after a collection
	Stacks      float64 `json:"stacks_mb"`        // of goroutines, after a collection
	Target      float64 `json:"target,omitempty"` // of Resident
	Reached     bool    `json:"reached"`
}

// idle measures it, over plain HTTP and over TLS 1.3, beside what net/http alone takes.
// Each connection has had one answer, and there is time after that to rest.
func (b *bench) idle(what string) error {
	if err := allowFiles(uint64(b.manyIdle) + 1000); err != nil { //nolint:gosec // a count
		return err
	}
	b.say("\n%-30s %12s %11s %8s %8s %18s %9s %9s\n", what, "connections", "MB before", "MB", "target", "bytes a connection", "heap MB", "stacks MB")
	return b.beside(func(_ *processes, upstream string) error {
		for _, encrypted := range []bool{false, true} {
			for _, null := range []bool{false, true} {
				o := order{Apps: callApps, Secrets: 2, Upstream: "http://" + upstream, TLS: encrypted, Null: null}
				if err := b.with(o, func(s *server) error { return b.idleAt(s, o) }); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (b *bench) idleAt(s *server, o order) error {
	i := idle{Server: "sallyport", Connections: b.manyIdle, Target: idleMemory / 1e6}
	tokens := []string{"none"}
	if o.Null {
		i.Server, i.Target = "net/http", 0
	} else {
		var err error
		if tokens, err = fetchTokens(s, callApps, callApps/2); err != nil {
			return err
		}
	}
	if o.TLS {
		i.Server, i.Target = i.Server+", over TLS", 0
	}
	l := &load{address: s.address("production"), tls: s.tls, status: 200, at: b.manyIdle, requests: calling(tokens, onePath)}
	before, err := resident(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	kept, err := l.keep()
	defer kept.close()
	if err != nil {
		return err
	}
	time.Sleep(rest)
	after, err := resident(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	st, err := s.ask("heap")
	if err != nil {
		return err
	}
	if err := kept.serve(l); err != nil {
		return fmt.Errorf("a connection was not kept: %w", err)
	}
	i.Before, i.Resident, i.Each = float64(before)/1e6, float64(after)/1e6, float64(after-before)/float64(b.manyIdle)
	i.Heap, i.Stacks = float64(st.Heap)/1e6, float64(st.Stacks)/1e6
	i.Reached = i.Target == 0 || i.Resident <= i.Target
	target, verdict := "", ""
	if i.Target != 0 {
		target, verdict = fmt.Sprintf("%.4g", i.Target), mark(i.Reached)
	}
	b.report.Idle = append(b.report.Idle, i)
	b.say("%-30s %12d %11.1f %8.1f %8s %18.0f %9.1f %9.1f %s\n", i.Server, i.Connections, i.Before, i.Resident, target, i.Each, i.Heap, i.Stacks, verdict)
	return nil
}

// rest is how long connections have done nothing when memory is read.
const rest = 2 * time.Second

// fromEach is how many connections one address of this machine opens: a system has
// 28,000 ports for each, some of which others use.
const fromEach = 1000

// opening is how many connections are opened at a time.
const opening = 32

// kept are connections that were answered once.
type kept []connection

func (k kept) close() {
	for i := range k {
		k[i].close()
	}
}

// keep opens as many connections as the load has, and has each answered once.
func (l *load) keep() (kept, error) {
	out := make(kept, l.at)
	for i := range out {
		out[i] = connection{address: l.address, tls: l.tls, from: net.IPv4(127, 0, 0, byte(1+i/fromEach))}
	}
	return out, out.each(l, func(int) bool { return true })
}

// serve sends one more request on every hundredth, and says whether it was kept.
func (k kept) serve(l *load) error {
	return k.each(l, func(i int) bool { return i%100 == 0 })
}

// each sends a request on those that are chosen.
func (k kept) each(l *load, chosen func(i int) bool) error {
	var (
		wg   sync.WaitGroup
		errs = make([]error, opening)
	)
	for n := range opening {
		wg.Go(func() {
			buf := make([]byte, 32<<10)
			for i := n; i < len(k) && errs[n] == nil; i += opening {
				if !chosen(i) {
					continue
				}
				k[i].buf = buf // a buffer for each would be memory for nothing
				status, err := k[i].do(l.requests[i%len(l.requests)], time.Now().Add(answerIn))
				if err == nil && status != l.status {
					err = fmt.Errorf("status %d, want %d: %.200s", status, l.status, k[i].body)
				}
				errs[n] = err
				k[i].buf, k[i].r, k[i].w = nil, 0, 0
				k[i].head, k[i].body = nil, nil
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
