package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// change is what callers feel while the installation is changed.
type change struct {
	What    string  `json:"what"`
	Rate    float64 `json:"rate"`          // of calls, a second
	Changes int     `json:"changes"`       // that were made
	Each    float64 `json:"each_ms"`       // how long one took, the median
	Steady  float64 `json:"steady_p99_us"` // while nothing changes, the median of the rounds
	P99     float64 `json:"p99_us"`
	Most    float64 `json:"most_us"` // the slowest of all
	Ratio   float64 `json:"ratio"`   // of each round, the median
	Target  float64 `json:"target"`
	Reached bool    `json:"reached"`
	each    []float64
	p99     []float64
	ratios  []float64
}

const (
	changeTarget = 2
	changeEvery  = time.Second
)

// changes measures what callers feel of changes: an open load of calls at a quarter of
// what the gateway can take, while nothing changes and then while something does every
// second. One call that fails ends the run.
func (b *bench) changes(what string) error {
	return b.beside(func(_ *processes, upstream string) error {
		return b.with(order{TLS: true, Upstream: "http://" + upstream, Changes: true}, func(s *server) error {
			return b.changing(s, what)
		})
	})
}

func (b *bench) changing(s *server, what string) error {
	l, err := changeLoad(s)
	if err != nil {
		return err
	}
	full, err := l.closed(2 * b.long)
	if err != nil {
		return err
	}
	rate := full.perSecond() / 4
	rows := []*change{{What: "nothing"}, {What: "catalogue"}, {What: "keys"}, {What: "certificates"}, {What: "everything"}}
	for range b.rounds {
		steady, err := l.open(2*b.long, rate)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := b.change(s, l, row, rate, &steady); err != nil {
				return fmt.Errorf("changing %s: %w", row.What, err)
			}
		}
	}
	b.say("\n%s; at %.0f a second\n%-14s %8s %10s %11s %9s %9s %7s %7s\n", what, rate, "what", "changes", "each ms", "steady p99", "p99 ms", "most ms", "ratio", "target")
	for _, row := range rows {
		row.Rate, row.Target = rate, changeTarget
		row.P99, row.Ratio = median(row.p99), median(row.ratios)
		if len(row.each) > 0 {
			row.Each = median(row.each)
		}
		row.Reached = row.Ratio <= row.Target
		b.report.Changes = append(b.report.Changes, *row)
		b.say("%-14s %8d %10.1f %11.2f %9.2f %9.1f %7.2f %7.4g %s\n", row.What, row.Changes, row.Each, row.Steady/1000, row.P99/1000, row.Most/1000, row.Ratio, row.Target, mark(row.Reached))
	}
	return nil
}

// changeLoad is calls with a token that the server's own app gets.
func changeLoad(s *server) (*load, error) {
	c := connection{address: s.address("production"), tls: s.tls}
	defer c.close()
	status, err := c.do(request(rfcPath, s.where["client"], s.where["secret"]), time.Now().Add(answerIn))
	var got struct {
		Token string `json:"access_token"`
	}
	if err == nil {
		err = json.Unmarshal(c.body, &got)
	}
	if err != nil || status != 200 {
		return nil, fmt.Errorf("a token: %d, %w", status, err)
	}
	return &load{address: s.address("production"), tls: s.tls, status: 200, at: inFlight, requests: [][]byte{
		fmt.Appendf(nil, "GET /bench0/v1/thing0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n\r\n", got.Token),
	}}, nil
}

// change loads the server while what row says changes, and compares with steady.
func (b *bench) change(s *server, l *load, row *change, rate float64, steady *measured) error {
	if b.profile != "" {
		if _, err := s.ask("profile ../" + filepath.Base(b.profile)); err != nil {
			return err
		}
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		ticker := time.NewTicker(changeEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-ticker.C:
			}
			if row.What == "nothing" {
				continue
			}
			began := time.Now()
			if _, err := s.ask("change " + row.What); err != nil {
				done <- err
				return
			}
			row.Changes++
			row.each = append(row.each, float64(time.Since(began).Microseconds())/1000)
		}
	}()
	m, err := l.open(2*b.long, rate)
	close(stop)
	if changed := <-done; err == nil {
		err = changed
	}
	if err != nil {
		return err
	}
	if b.profile != "" {
		if err := b.keepProfile(s, kind{what: "changing " + row.What}); err != nil {
			return err
		}
	}
	before, now := micros(steady.quantile(0.99)), micros(m.quantile(0.99))
	row.Steady = before
	row.p99, row.ratios = append(row.p99, now), append(row.ratios, now/before)
	row.Most = max(row.Most, micros(time.Duration(m.most))) //nolint:gosec // a duration went in
	return nil
}
