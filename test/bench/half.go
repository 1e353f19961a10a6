package main

import "fmt"

// withinTwice is how much longer than HAProxy's our p99 may be.
const withinTwice = 2

// half is how long calls take at half of what the slower of two servers takes at most.
type half struct {
	Server  string  `json:"server"`
	Full    float64 `json:"per_second_at_most"`
	Rate    float64 `json:"rate"`
	Median  float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	Late    float64 `json:"late_p99_us"`
	Ratio   float64 `json:"p99_ratio,omitempty"` // to HAProxy's, of each round, the median
	Target  float64 `json:"target,omitempty"`
	Reached bool    `json:"reached"`
	medians []float64
	p99s    []float64
	lates   []float64
	load    *load
}

// half measures Sallyport, with tokens that it remembers, and HAProxy, which verifies
// each time, at one rate: half of what the slower one of them takes at most. Beside
// them, at the same rate, a server of net/http that only answers, and one that only
// proxies.
func (b *bench) half(what string) error {
	return b.beside(func(p *processes, upstream string) error {
		return b.with(order{Apps: callApps, Secrets: 2, Upstream: "http://" + upstream}, func(s *server) error {
			tokens, err := fetchTokens(s, callApps, callApps/2)
			if err != nil {
				return err
			}
			others, err := b.open(p, upstream, s, tokens, haproxyChecked, reverseProxy, answersItself)
			if err != nil {
				return err
			}
			rows := []*half{{Server: "sallyport", Target: withinTwice, load: ours("", s, calling(tokens, onePath)).load}}
			for _, other := range others {
				rows = append(rows, &half{Server: other.Server, load: other.load})
			}
			rate := 0.0
			for _, row := range rows {
				if _, err := row.load.closed(b.long / 4); err != nil {
					return fmt.Errorf("%s: %w", row.Server, err)
				}
				m, err := row.load.closed(b.long)
				if err != nil {
					return fmt.Errorf("%s: %w", row.Server, err)
				}
				row.Full = m.perSecond()
				if decides := row.Server == haproxyChecked || row.Target != 0; decides && (rate == 0 || row.Full/2 < rate) {
					rate = row.Full / 2
				}
			}
			return b.halfRounds(what, rows, rate)
		})
	})
}

func (b *bench) halfRounds(what string, rows []*half, rate float64) error {
	for range b.rounds {
		for _, row := range rows {
			m, err := row.load.open(b.long, rate)
			if err != nil {
				return fmt.Errorf("%s: %w", row.Server, err)
			}
			row.medians = append(row.medians, micros(m.quantile(0.5)))
			row.p99s, row.lates = append(row.p99s, micros(m.quantile(0.99))), append(row.lates, micros(m.late.quantile(0.99)))
		}
	}
	sumUpHalves(rows, rate)
	b.report.Half = rows
	b.say("\n%-40s %9s %9s %8s %8s %9s %8s %7s\n", fmt.Sprintf("%s: %.0f a second", what, rate), "at most", "p50 µs", "p99 µs", "p99/p50", "late p99", "ratio", "target")
	for _, row := range rows {
		target, verdict := "", ""
		if row.Target != 0 {
			target, verdict = fmt.Sprintf("%.4g", row.Target), mark(row.Reached)
			if row.Ratio == 0 {
				verdict = "not compared"
			}
		}
		b.say("%-40s %9.0f %9.0f %8.0f %8.2f %9.0f %8.2f %7s %s\n", row.Server, row.Full, row.Median, row.P99, row.P99/row.Median, row.Late, row.Ratio, target, verdict)
	}
	return nil
}

// sumUpHalves makes figures of the rounds.
func sumUpHalves(rows []*half, rate float64) {
	var reference []float64
	for _, row := range rows {
		if row.Server == haproxyChecked {
			reference = row.p99s
		}
	}
	for _, row := range rows {
		var ratios []float64
		for i := range reference {
			ratios = append(ratios, row.p99s[i]/reference[i])
		}
		if len(ratios) > 0 {
			row.Ratio = median(ratios)
		}
		row.Rate, row.Median, row.P99, row.Late = rate, median(row.medians), median(row.p99s), median(row.lates)
		row.Reached = row.Target == 0 || row.Ratio > 0 && row.Ratio <= row.Target
	}
}
