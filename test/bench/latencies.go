package main

import "fmt"

// latency is how long answers took.
type latency struct {
	What    string  `json:"what"`
	Rate    float64 `json:"rate,omitempty"` // 0: as fast as answers came
	Median  float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`
	Ratio   float64 `json:"p99_over_p50"`
	Late    float64 `json:"late_p99_us,omitempty"` // sent so long after it was due
	Floor   floor   `json:"null_server"`
	Bare    *floor  `json:"bare_signature_server,omitempty"`
	Target  float64 `json:"target,omitempty"`
	Reached bool    `json:"reached"`
}

// floor is how long a server took for the same load that does nothing, or nothing
// but to sign.
type floor struct {
	Median float64 `json:"p50_us"`
	P99    float64 `json:"p99_us"`
	Ratio  float64 `json:"p99_over_p50"`
}

func floorOf(m measured) floor {
	f := floor{Median: micros(m.quantile(0.5)), P99: micros(m.quantile(0.99))}
	f.Ratio = f.P99 / f.Median
	return f
}

// verdict says who misses the target beside us: what a server misses that does
// nothing, or nothing but to sign, is the machine's or the queue's.
func (l latency) verdict() string {
	switch {
	case l.Target == 0:
		return ""
	case l.Reached:
		return mark(true)
	case l.Floor.Ratio >= l.Target:
		return mark(false) + ", and by the null server"
	case l.Bare != nil && l.Bare.Ratio >= l.Target:
		return mark(false) + ", and by the bare signature"
	}
	return mark(false)
}

// latencies measures how long answers take: with as many requests as there are
// connections, at half of what that reaches, and beside a client that floods. Each
// is measured just after at a server that does nothing, and at one that does nothing
// but to sign once, by the same algorithm.
func (b *bench) latencies(s *server, what string, o order) error {
	return b.with(order{Null: true}, func(null *server) error {
		return b.with(order{Null: true, Sign: true}, func(signs *server) error {
			b.say("\n%-50s %8s %8s %8s %8s %7s %8s | %9s %8s %8s | %8s %8s %7s\n", what, "a second", "p50 ms", "p99 ms", "p99.9 ms", "p99/p50", "target",
				"late p99", "null p50", "null p99", "bare p50", "bare p99", "p99/p50")
			for _, k := range kinds(0)[:3] {
				if err := b.latency(s, null, signs, k, o); err != nil {
					return fmt.Errorf("%s: %w", k.what, err)
				}
			}
			return b.flooded(s, null)
		})
	})
}

// latency measures one kind of request, in both ways.
func (b *bench) latency(s, null, signs *server, k kind, o order) error {
	l := b.load(s, k, o.Apps)
	idle, bare := *l, *l
	idle.address, idle.tls, idle.status = null.address(k.environment), nil, 200
	bare.address, bare.tls, bare.status = signs.address(k.environment), nil, 200
	beside := func(do func(l *load) (measured, error)) (nothing measured, signature *measured, err error) {
		if nothing, err = do(&idle); err != nil || k.floor == "" {
			return nothing, nil, err
		}
		signed, err := do(&bare)
		return nothing, &signed, err
	}
	full, err := l.closed(2 * b.long)
	if err != nil {
		return err
	}
	nothing, signature, err := beside(func(l *load) (measured, error) { return l.closed(b.long) })
	if err != nil {
		return err
	}
	b.tell(fmt.Sprintf("%s, %d in flight", k.what, inFlight), 0, 3, full, nothing, signature)
	rate := full.perSecond() / 2
	half, err := l.open(3*b.long, rate)
	if err != nil {
		return err
	}
	nothing, signature, err = beside(func(l *load) (measured, error) { return l.open(2*b.long, rate) })
	if err != nil {
		return err
	}
	b.tell(k.what+", at half of that", rate, 3, half, nothing, signature)
	return nil
}

// flooded measures what a client sees while another one floods.
func (b *bench) flooded(s, null *server) error {
	flood, quiet := b.load(s, kinds(0)[0], 2), b.load(s, kinds(0)[0], 4)
	quiet.requests = [][]byte{request(rfcPath, clientID(2), secret(2, 0))}
	quiet.at = 4
	done := make(chan error, 1)
	go func() {
		_, err := flood.closed(4 * b.long)
		done <- err
	}()
	const rate = 20
	seen, err := quiet.open(3*b.long, rate)
	if err != nil {
		return err
	}
	if err := <-done; err != nil {
		return err
	}
	quiet.address = null.address("production")
	nothing, err := quiet.open(3*b.long, rate)
	if err != nil {
		return err
	}
	b.tell(fmt.Sprintf("RS256 of another while one has %d in flight", inFlight), rate, 0, seen, nothing, nil)
	return nil
}

func (b *bench) tell(what string, rate, target float64, m, nothing measured, signature *measured) {
	l := latency{
		What: what, Rate: rate, Median: micros(m.quantile(0.5)), P99: micros(m.quantile(0.99)), P999: micros(m.quantile(0.999)),
		Late: micros(m.late.quantile(0.99)), Floor: floorOf(nothing), Target: target,
	}
	l.Ratio = l.P99 / l.Median
	l.Reached = target == 0 || l.Ratio < target
	bare := fmt.Sprintf("%8s %8s %7s", "", "", "")
	if signature != nil {
		f := floorOf(*signature)
		l.Bare = &f
		bare = fmt.Sprintf("%8.2f %8.2f %7.2f", f.Median/1000, f.P99/1000, f.Ratio)
	}
	b.report.Latencies = append(b.report.Latencies, l)
	b.say("%-50s %8.0f %8.2f %8.2f %8.2f %7.2f %8.4g | %9.2f %8.2f %8.2f | %s %s\n", what, m.perSecond(), l.Median/1000, l.P99/1000, l.P999/1000,
		l.Ratio, target, l.Late/1000, l.Floor.Median/1000, l.Floor.P99/1000, bare, l.verdict())
}
