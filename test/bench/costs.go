package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// cost is the CPU time of a kind of request.
type cost struct {
	Server  string  `json:"server"` // which of those that are measured
	Kind    string  `json:"kind"`
	Micros  float64 `json:"cpu_us"`
	Floor   string  `json:"floor,omitempty"`
	Bare    float64 `json:"floor_us,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"` // of each round, the median
	ES256   float64 `json:"es256_us"`        // of a bare signature in the same rounds
	Times   float64 `json:"times_es256"`     // Micros over that of each round, the median
	Allocs  float64 `json:"allocs"`
	Bytes   float64 `json:"bytes"`
	PerSec  float64 `json:"per_second"`
	Target  float64 `json:"target"`
	Reached bool    `json:"reached"`
	apps    int
	secrets int
	tls     bool
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

// costs measures the CPU time of every kind of request.
func (b *bench) costs(s *server, what string, o order) error {
	st, err := s.ask("heap")
	if err != nil {
		return err
	}
	b.report.Memory = append(b.report.Memory, memory{Apps: o.Apps, Secrets: o.Secrets, Heap: float64(st.Heap) / (1 << 20)})
	b.say("\n%s\n%-24s %10s %10s %8s %8s %9s %9s %8s %8s\n", what, "a request for", "CPU µs", "bare µs", "ratio", "target", "x ES256", "a second", "allocs", "bytes")
	for _, k := range kinds(o.Secrets - 1) {
		c, err := b.cost(s, k, o)
		if err != nil {
			return fmt.Errorf("%s: %w", k.what, err)
		}
		c.Server = what
		b.report.Costs = append(b.report.Costs, c)
		floor, ratio := "", ""
		if k.floor != "" {
			floor, ratio = fmt.Sprintf("%.1f", c.Bare), fmt.Sprintf("%.2f", c.Ratio)
		}
		b.say("%-24s %10.1f %10s %8s %8.4g %9.2f %9.0f %8.1f %8.0f %s\n", k.what, c.Micros, floor, ratio, c.Target, c.Times, c.PerSec, c.Allocs, c.Bytes, mark(c.Reached))
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

// floors is the CPU time of bare signatures now, in µs: of the kind's own algorithm,
// 0 if it has none, and of ES256.
type floors struct{ own, es256 float64 }

func (b *bench) floors(s *server, algorithm string) (f floors, err error) {
	if f.es256, err = bareSignature(s, "ES256"); err != nil || algorithm == "" {
		return f, err
	}
	if f.own = f.es256; algorithm != "ES256" {
		f.own, err = bareSignature(s, algorithm)
	}
	return f, err
}

func bareSignature(s *server, algorithm string) (float64, error) {
	st, err := s.ask("bare " + algorithm)
	return float64(st.Bare.Nanoseconds()) / 1000, err
}

// cost measures one kind of request.
func (b *bench) cost(s *server, k kind, o order) (cost, error) {
	l := b.load(s, k, o.Apps)
	c := cost{Kind: k.what, Floor: k.floor, Target: k.target, apps: o.Apps, secrets: o.Secrets, tls: o.TLS}
	if _, err := l.closed(b.long / 4); err != nil { // warm
		return c, err
	}
	if b.profile != "" {
		if _, err := s.ask("profile ../" + filepath.Base(b.profile)); err != nil {
			return c, err
		}
	}
	var used, bare, es256, ratio, times, allocs, size, rate []float64
	before, err := b.floors(s, k.floor)
	if err != nil {
		return c, err
	}
	for range b.rounds {
		began, err := s.ask("")
		if err != nil {
			return c, err
		}
		m, err := l.closed(b.long)
		if err != nil {
			return c, err
		}
		ended, err := s.ask("")
		if err != nil {
			return c, err
		}
		after, err := b.floors(s, k.floor)
		if err != nil {
			return c, err
		}
		n := float64(m.total)
		micros := float64((ended.CPU - began.CPU).Nanoseconds()) / 1000 / n
		used = append(used, micros)
		bare, es256 = append(bare, (before.own+after.own)/2), append(es256, (before.es256+after.es256)/2)
		ratio, times = append(ratio, 2*micros/(before.own+after.own)), append(times, 2*micros/(before.es256+after.es256))
		allocs = append(allocs, float64(ended.Mallocs-began.Mallocs)/n)
		size = append(size, float64(ended.Alloc-began.Alloc)/n)
		rate = append(rate, m.perSecond())
		before = after
	}
	c.Micros, c.Allocs, c.Bytes, c.PerSec = median(used), median(allocs), median(size), median(rate)
	c.ES256, c.Times = median(es256), median(times)
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
