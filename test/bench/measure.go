package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// inFlight is how many connections a load has, unless it says otherwise.
const inFlight = 64

// Those whom crowds are compared with.
const (
	fewApps    = 20
	fewSecrets = 2
)

// memory is what a crowd takes.
type memory struct {
	Apps    int     `json:"apps"`
	Secrets int     `json:"secrets"`
	Heap    float64 `json:"heap_mib"`
	PerApp  float64 `json:"bytes_per_app"`
}

// part is what can be measured alone.
type part struct {
	name string // of -parts
	what string
	do   func(what string) error
}

// all lists the parts in their order.
func (b *bench) all() []part {
	few := order{Apps: fewApps, Secrets: fewSecrets}
	crypted, many, secrets := few, few, few
	crypted.TLS, many.Apps, secrets.Secrets = true, b.many, 1000
	at := func(o order, do func(s *server, what string, o order) error) func(string) error {
		return func(what string) error {
			return b.with(o, func(s *server) error { return do(s, what, o) })
		}
	}
	return []part{
		{"costs", fmt.Sprintf("%d apps", fewApps), at(few, b.costs)},
		{"latencies", "how long an answer takes", at(few, b.latencies)},
		{"timing", "refusals that are to look alike", at(few, b.timing)},
		{"tls", fmt.Sprintf("%d apps, over TLS 1.3", fewApps), at(crypted, b.costs)},
		{"apps", fmt.Sprintf("%d apps", b.many), at(many, b.costs)},
		{"secrets", "1000 secrets for each app", at(secrets, b.costs)},
		{"calls", "a call", b.calls},
		{"changes", "calls over TLS, while every second there changes", b.changes},
		{"fresh", "a call with a token that was never seen before", b.fresh},
		{"routes", "a call, by how many operations there are", b.routes},
		{"crowd", "a call, by how many apps there are", b.crowd},
		{"idle", "connections that are kept and do nothing", b.idle},
		{"half", "at half of what the slower one takes", b.half},
	}
}

// names are those of the parts.
func names(parts []part) []string {
	var out []string
	for _, p := range parts {
		out = append(out, p.name)
	}
	return out
}

// chosen lists the parts of a comma-separated list; all, if it is empty.
func (b *bench) chosen(list string) ([]part, error) {
	all := b.all()
	if list == "" {
		return all, nil
	}
	wanted := strings.Split(list, ",")
	for _, name := range wanted {
		if !slices.Contains(names(all), name) {
			return nil, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(names(all), ", "))
		}
	}
	return slices.DeleteFunc(all, func(p part) bool { return !slices.Contains(wanted, p.name) }), nil
}

// measure runs them.
func (b *bench) measure(parts []part) error {
	before, began, ours := look(), time.Now(), ownTime()
	for _, p := range parts {
		if err := p.do(p.what); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	b.tellGrowth()
	b.tellMemory()
	b.tellTargets()
	after := look()
	all := time.Since(began).Seconds() * float64(b.report.Cores)
	busy := all * (after.busy - before.busy) / max(1, after.all-before.all)
	b.report.OtherBusy = max(0, (busy-b.served.Seconds()-(ownTime()-ours).Seconds())/all*100)
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
