package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"
)

// call is what a proxied call costs one server.
type call struct {
	Server  string  `json:"server"`
	Micros  float64 `json:"cpu_us"`
	Lowest  float64 `json:"cpu_us_lowest"`
	Highest float64 `json:"cpu_us_highest"`
	Ratio   float64 `json:"ratio,omitempty"` // to the one that measures, in the same round, the median
	PerSec  float64 `json:"per_second"`
	Target  float64 `json:"target,omitempty"` // of Ratio
	Reached bool    `json:"reached"`
	AtRate  float64 `json:"cpu_us_at_rate,omitempty"` // at callRate
	Median  float64 `json:"p50_us_at_rate,omitempty"`
	P99     float64 `json:"p99_us_at_rate,omitempty"`

	used     []float64
	ratios   []float64
	perSec   []float64
	load     *load
	send     func(round int) (measured, error) // nil: the load, for as long as a round is
	pid      int
	measures bool // what the others are compared with
	ours     *server
}

// turns gives every server its turn in every round, and sums up what each took.
func (b *bench) turns(rows []*call) error {
	for _, row := range rows {
		if _, err := row.load.closed(b.long / 4); err != nil {
			return fmt.Errorf("%s: %w", row.Server, err)
		}
	}
	for round := range b.rounds {
		for _, row := range rows {
			var used time.Duration
			m, err := b.profiled(row, func() (m measured, err error) {
				before := processTime(row.pid)
				if row.send != nil {
					m, err = row.send(round)
				} else {
					m, err = row.load.closed(b.long)
				}
				used = processTime(row.pid) - before
				return m, err
			})
			if err != nil {
				return fmt.Errorf("%s: %w", row.Server, err)
			}
			row.used = append(row.used, micros(used)/float64(m.total))
			row.perSec = append(row.perSec, m.perSecond())
		}
	}
	sumUp(rows)
	return nil
}

// sumUp makes figures of the rounds.
func sumUp(rows []*call) {
	var reference []float64
	for _, row := range rows {
		if row.measures {
			reference = row.used
		}
	}
	for _, row := range rows {
		for i := range reference {
			row.ratios = append(row.ratios, row.used[i]/reference[i])
		}
		row.Lowest, row.Highest = slices.Min(row.used), slices.Max(row.used)
		row.Micros, row.PerSec = median(row.used), median(row.perSec)
		if len(row.ratios) > 0 {
			row.Ratio = median(row.ratios)
		}
		row.Reached = row.Target == 0 || row.Ratio > 0 && row.Ratio <= row.Target
	}
}

// verdict says whether a row is as it is to be; nothing, if that cannot be said.
func (c *call) verdict() string {
	switch {
	case c.Target == 0:
		return ""
	case c.Ratio == 0:
		return "not compared"
	}
	return mark(c.Reached)
}

// tellTurns prints rows.
func (b *bench) tellTurns(what string, rows []*call) {
	b.say("\n%-40s %9s %17s %7s %7s %9s\n", what, "CPU µs", "(lowest-highest)", "ratio", "target", "a second")
	for _, row := range rows {
		target := ""
		if row.Target != 0 {
			target = fmt.Sprintf("%.4g", row.Target)
		}
		b.say("%-40s %9.1f %8.1f-%-8.1f %7.2f %7s %9.0f %s\n", row.Server, row.Micros, row.Lowest, row.Highest, row.Ratio, target, row.PerSec, row.verdict())
	}
}

// profiled sends what do sends, and keeps a profile of it, if that is wanted and the
// server is ours.
func (b *bench) profiled(row *call, do func() (measured, error)) (measured, error) {
	if b.profile == "" || row.ours == nil {
		return do()
	}
	if _, err := row.ours.ask("profile ../" + filepath.Base(b.profile)); err != nil {
		return measured{}, err
	}
	m, err := do()
	if err != nil {
		return m, err
	}
	return m, b.keepProfile(row.ours, kind{what: "a call through " + row.Server})
}
