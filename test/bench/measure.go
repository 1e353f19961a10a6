package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"
)

// inFlight is how many connections a load has, unless it says otherwise.
const inFlight = 64

// cost is the CPU time of a kind of request.
type cost struct {
	What    string  `json:"what"`
	Micros  float64 `json:"cpu_us"`
	Floor   string  `json:"floor,omitempty"`
	Bare    float64 `json:"floor_us,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"` // of each round, the median
	Allocs  float64 `json:"allocs"`
	Bytes   float64 `json:"bytes"`
	PerSec  float64 `json:"per_second"`
	Target  float64 `json:"target"`
	Reached bool    `json:"reached"`
}

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
	Target  float64 `json:"target,omitempty"`
	Reached bool    `json:"reached"`
}

// floor is how long a server that does nothing took for the same load.
type floor struct {
	Median float64 `json:"p50_us"`
	P99    float64 `json:"p99_us"`
}

// memory is what a crowd takes.
type memory struct {
	Apps    int     `json:"apps"`
	Secrets int     `json:"secrets"`
	Heap    float64 `json:"heap_mib"`
	PerApp  float64 `json:"bytes_per_app"`
}

// timing is how long a kind of refusal takes, and how well it can be told from a
// wrong secret by that.
type timing struct {
	What   string     `json:"what"`
	P1     float64    `json:"p1_us"`
	Median float64    `json:"p50_us"`
	P99    float64    `json:"p99_us"`
	Than   comparison `json:"against_wrong_secret"`
}

// kind is a kind of request, measured for what it costs.
type kind struct {
	what        string
	environment string
	floor       string // algorithm; empty: none
	target      float64
	status      int
	build       func(app int) []byte
	apps        int // 0: all of the server's
}

func tokens(path string, n int) func(int) []byte {
	return func(app int) []byte { return request(path, clientID(app), secret(app, n)) }
}

func kinds(n int) []kind {
	return []kind{
		{what: "RS256 token", environment: "production", floor: "RS256", target: 1.15, status: 200, build: tokens(rfcPath, n)},
		{what: "ES256 token", environment: "sandbox", floor: "ES256", target: 2.5, status: 200, build: tokens(rfcPath, n)},
		{what: "the same token again", environment: "production", target: 60, status: 200, build: tokens(v2Path, n), apps: 10},
		{what: "unknown client", environment: "production", target: 40, status: 401, build: func(app int) []byte {
			return request(rfcPath, clientID(app+100_000_000), secret(app+100_000_000, 0))
		}},
		{what: "wrong secret", environment: "production", target: 40, status: 401, build: func(app int) []byte {
			return request(rfcPath, clientID(app), secret(app+100_000_000, 0))
		}},
	}
}

// measure runs all of it.
func (b *bench) measure() error {
	before, began := look(), time.Now()
	ours := ownTime()
	var served time.Duration
	small, large, crowded := order{Apps: 20, Secrets: 2}, order{Apps: b.many, Secrets: 2}, order{Apps: 20, Secrets: 1000}
	crypted := small
	crypted.TLS = true
	for _, part := range []struct {
		name  string // of -parts
		what  string
		order order
		do    func(s *server, what string, o order) error
	}{
		{"costs", "20 apps", small, b.costs},
		{"latencies", "how long an answer takes", small, b.latencies},
		{"timing", "refusals that are to look alike", small, b.timing},
		{"tls", "20 apps, over TLS 1.3", crypted, b.costs},
		{"apps", fmt.Sprintf("%d apps", b.many), large, b.costs},
		{"secrets", "1000 secrets for each app", crowded, b.costs},
	} {
		if !slices.Contains(b.parts, part.name) {
			continue
		}
		err := b.with(part.order, func(s *server) error {
			if err := part.do(s, part.what, part.order); err != nil {
				return fmt.Errorf("%s: %w", part.what, err)
			}
			st, err := s.ask("")
			served += st.CPU
			return err
		})
		if err != nil {
			return err
		}
	}
	if slices.Contains(b.parts, "calls") {
		if err := b.calls(); err != nil {
			return fmt.Errorf("calls: %w", err)
		}
	}
	if slices.Contains(b.parts, "changes") {
		if err := b.changes(); err != nil {
			return fmt.Errorf("changes: %w", err)
		}
	}
	b.tellMemory()
	after := look()
	all := time.Since(began).Seconds() * float64(b.report.Cores)
	busy := all * (after.busy - before.busy) / max(1, after.all-before.all)
	b.report.OtherBusy = max(0, (busy-served.Seconds()-b.aside.Seconds()-(ownTime()-ours).Seconds())/all*100)
	return nil
}

// ownTime is the CPU time of the load.
func ownTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// costs measures the CPU time of every kind of request.
func (b *bench) costs(s *server, what string, o order) error {
	st, err := s.ask("heap")
	if err != nil {
		return err
	}
	b.report.Memory = append(b.report.Memory, memory{Apps: o.Apps, Secrets: o.Secrets, Heap: float64(st.Heap) / (1 << 20)})
	b.say("\n%s\n%-24s %10s %10s %8s %8s %9s %8s %8s\n", what, "a request for", "CPU µs", "bare µs", "ratio", "target", "a second", "allocs", "bytes")
	for _, k := range kinds(o.Secrets - 1) {
		c, err := b.cost(s, k, o)
		if err != nil {
			return fmt.Errorf("%s: %w", k.what, err)
		}
		b.report.Costs = append(b.report.Costs, c)
		floor, ratio := "", ""
		if k.floor != "" {
			floor, ratio = fmt.Sprintf("%.1f", c.Bare), fmt.Sprintf("%.2f", c.Ratio)
		}
		b.say("%-24s %10.1f %10s %8s %8.4g %9.0f %8.1f %8.0f %s\n", k.what, c.Micros, floor, ratio, c.Target, c.PerSec, c.Allocs, c.Bytes, mark(c.Reached))
		b.report.Costs[len(b.report.Costs)-1].What = what + ": " + k.what
	}
	return nil
}

func mark(reached bool) string {
	if reached {
		return "ok"
	}
	return "MISSED"
}

func (b *bench) load(s *server, k kind, apps int) *load {
	if k.apps != 0 {
		apps = min(apps, 2*k.apps)
	}
	return &load{
		address: s.address(k.environment), tls: s.tls, status: k.status, at: inFlight,
		requests: requests(k.environment, apps, k.build),
	}
}

// cost measures one kind of request.
func (b *bench) cost(s *server, k kind, o order) (cost, error) {
	l := b.load(s, k, o.Apps)
	c := cost{What: k.what, Floor: k.floor, Target: k.target}
	if _, err := l.closed(b.long / 4); err != nil { // warm
		return c, err
	}
	if b.profile != "" {
		if _, err := s.ask("profile ../" + filepath.Base(b.profile)); err != nil {
			return c, err
		}
	}
	var used, bare, ratio, allocs, size, rate []float64
	floor, err := b.floor(s, k.floor)
	if err != nil {
		return c, err
	}
	for range b.rounds {
		before, err := s.ask("")
		if err != nil {
			return c, err
		}
		m, err := l.closed(b.long)
		if err != nil {
			return c, err
		}
		after, err := s.ask("")
		if err != nil {
			return c, err
		}
		n := float64(m.total)
		next, err := b.floor(s, k.floor)
		if err != nil {
			return c, err
		}
		used = append(used, float64((after.CPU-before.CPU).Nanoseconds())/1000/n)
		bare = append(bare, (floor+next)/2)
		ratio = append(ratio, used[len(used)-1]/bare[len(bare)-1])
		allocs = append(allocs, float64(after.Mallocs-before.Mallocs)/n)
		size = append(size, float64(after.Alloc-before.Alloc)/n)
		rate = append(rate, m.perSecond())
		floor = next
	}
	c.Micros, c.Allocs, c.Bytes, c.PerSec = median(used), median(allocs), median(size), median(rate)
	c.Reached = c.Micros <= c.Target
	if k.floor != "" {
		c.Bare, c.Ratio = median(bare), median(ratio)
		c.Reached = c.Ratio <= c.Target
	}
	if b.profile != "" {
		return c, b.keepProfile(s, k)
	}
	return c, nil
}

// floor is the CPU time of a bare signature now, in µs; 1 for none.
func (b *bench) floor(s *server, algorithm string) (float64, error) {
	if algorithm == "" {
		return 1, nil
	}
	st, err := s.ask("bare " + algorithm)
	return float64(st.Bare.Nanoseconds()) / 1000, err
}

func (b *bench) keepProfile(s *server, k kind) error {
	if _, err := s.ask("profiled"); err != nil {
		return err
	}
	if err := os.MkdirAll(b.profile, 0o750); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(b.folder, filepath.Base(b.profile)))
	if err != nil {
		return err
	}
	name := string(bytes.ReplaceAll([]byte(k.what), []byte(" "), []byte("-"))) + ".pprof"
	return os.WriteFile(filepath.Join(b.profile, name), text, 0o600) //nolint:gosec // in the folder that whoever runs this names
}

// latencies measures how long answers take: with as many requests as there are
// connections, at half of what that reaches, and beside a client that floods. Each
// is measured at a server that does nothing, too, just after.
func (b *bench) latencies(s *server, what string, o order) error {
	return b.with(order{Null: true}, func(null *server) error {
		b.say("\n%-50s %8s %8s %8s %8s %7s %8s | %9s %8s %8s\n", what, "a second", "p50 ms", "p99 ms", "p99.9 ms", "p99/p50", "target", "late p99", "null p50", "null p99")
		for _, k := range kinds(0)[:3] {
			l := b.load(s, k, o.Apps)
			full, err := l.closed(2 * b.long)
			if err != nil {
				return err
			}
			idle := *l
			idle.address, idle.tls, idle.status = null.address(k.environment), nil, 200
			nothing, err := idle.closed(b.long)
			if err != nil {
				return err
			}
			b.tell(fmt.Sprintf("%s, %d in flight", k.what, inFlight), 0, full, nothing, 3)
			rate := full.perSecond() / 2
			half, err := l.open(3*b.long, rate)
			if err != nil {
				return err
			}
			if nothing, err = idle.open(3*b.long, rate); err != nil {
				return err
			}
			b.tell(k.what+", at half of that", rate, half, nothing, 3)
		}
		return b.flooded(s, null, o)
	})
}

// flooded measures what a client sees while another one floods.
func (b *bench) flooded(s, null *server, _ order) error {
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
	b.tell(fmt.Sprintf("RS256 of another while one has %d in flight", inFlight), rate, seen, nothing, 0)
	return nil
}

func (b *bench) tell(what string, rate float64, m, nothing measured, target float64) {
	micros := func(h *histogram, q float64) float64 { return float64(h.quantile(q).Nanoseconds()) / 1000 }
	l := latency{
		What: what, Rate: rate, Median: micros(&m.histogram, 0.5), P99: micros(&m.histogram, 0.99), P999: micros(&m.histogram, 0.999),
		Late: micros(&m.late, 0.99), Floor: floor{micros(&nothing.histogram, 0.5), micros(&nothing.histogram, 0.99)}, Target: target,
	}
	l.Ratio = l.P99 / l.Median
	l.Reached = target == 0 || l.Ratio < target
	b.report.Latencies = append(b.report.Latencies, l)
	verdict := mark(l.Reached)
	if !l.Reached && l.Floor.P99/l.Floor.Median >= target {
		verdict += ", and by the null server"
	}
	b.say("%-50s %8.0f %8.2f %8.2f %8.2f %7.2f %8.4g | %9.2f %8.2f %8.2f %s\n", what, m.perSecond(), l.Median/1000, l.P99/1000, l.P999/1000,
		l.Ratio, target, l.Late/1000, l.Floor.Median/1000, l.Floor.P99/1000, verdict)
}

// traceID is the member of a refusal that differs from one to the next.
var traceID = regexp.MustCompile(`"trace_id":"[^"]*"`)

// samples is how many answers of each kind of refusal are timed.
const samples = 5000

// timing compares the refusals of CONTRACT 2.9 that are to look alike: one
// connection, one request at a time, kinds in an order drawn anew each time.
func (b *bench) timing(s *server, what string, _ order) error {
	const app = 2
	wrong := "wrong secret"
	list := []struct {
		what    string
		request []byte
		took    []time.Duration
	}{
		{what: wrong, request: request(rfcPath, clientID(app), secret(app+100_000_000, 0))},
		{what: "another wrong secret", request: request(rfcPath, clientID(app), secret(app+200_000_000, 0))}, // what chance alone does
		{what: "unknown client", request: request(rfcPath, clientID(app+100_000_000), secret(app+100_000_000, 0))},
		{what: "another client's secret", request: request(rfcPath, clientID(app), secret(app+2, 0))},
		{what: "another environment's", request: request(rfcPath, clientID(app+1), secret(app+1, 0))},
		{what: "expired secret", request: request(rfcPath, clientID(app), secret(app, expiredSecret))},
		{what: "revoked secret", request: request(rfcPath, clientID(app), secret(app, revokedSecret))},
	}
	c := connection{address: s.address("production"), tls: s.tls}
	defer c.close()
	var body []byte
	for n := range samples + 200 {
		for _, i := range rand.Perm(len(list)) { //nolint:gosec // an order, no secret
			began := time.Now()
			status, err := c.do(list[i].request, began.Add(answerIn))
			took := time.Since(began)
			if err != nil || status != 401 {
				return fmt.Errorf("%s: %d %w", list[i].what, status, err)
			}
			answer := traceID.ReplaceAll(c.body, []byte(`"trace_id":""`))
			if body == nil {
				body = slices.Clone(answer)
			}
			if !bytes.Equal(body, answer) {
				return fmt.Errorf("%s: %s, and before: %s", list[i].what, answer, body)
			}
			if n >= 200 {
				list[i].took = append(list[i].took, took)
			}
		}
	}
	b.say("\n%s: %d of each, one at a time, in random order\n%-26s %8s %8s %8s   %s\n", what, samples, "", "p1 µs", "p50 µs", "p99 µs",
		"against a wrong secret: sooner, distance, z")
	for i := range list {
		t := timing{What: list[i].what, Than: compare(list[i].took, slices.Clone(list[0].took))}
		micros := func(q float64) float64 { return float64(at(list[i].took, q).Nanoseconds()) / 1000 }
		t.P1, t.Median, t.P99 = micros(0.01), micros(0.5), micros(0.99)
		b.report.Timing = append(b.report.Timing, t)
		b.say("%-26s %8.1f %8.1f %8.1f   %.3f  %.3f  %+.1f\n", t.What, t.P1, t.Median, t.P99, t.Than.Sooner, t.Than.Distance, t.Than.Z)
	}
	return nil
}

// tellMemory says what a crowd takes.
func (b *bench) tellMemory() {
	if len(b.report.Memory) == 0 {
		return
	}
	b.say("\nmemory that lives\n%12s %10s %10s %12s\n", "apps", "secrets", "MiB", "bytes an app")
	base := b.report.Memory[0].Heap
	for i := range b.report.Memory {
		m := &b.report.Memory[i]
		m.PerApp = max(0, m.Heap-base) * (1 << 20) / float64(m.Apps)
		b.say("%12d %10d %10.1f %12.0f\n", m.Apps, m.Apps*m.Secrets, m.Heap, m.PerApp)
	}
}
