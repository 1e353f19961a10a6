package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// call is what a proxied call costs one server.
type call struct {
	Server   string  `json:"server"`
	Micros   float64 `json:"cpu_us"`
	Lowest   float64 `json:"cpu_us_lowest"`
	Highest  float64 `json:"cpu_us_highest"`
	Ratio    float64 `json:"ratio"` // to httputil.ReverseProxy in the same round, the median
	PerSec   float64 `json:"per_second"`
	AtRate   float64 `json:"cpu_us_at_rate"` // at callRate
	Median   float64 `json:"p50_us_at_rate"`
	P99      float64 `json:"p99_us_at_rate"`
	used     []float64
	ratios   []float64
	perSec   []float64
	load     *load
	pid      int
	measures bool // what the others are compared with
	ours     *server
}

// callRate is a load that leaves the machine mostly idle.
const callRate = 1000

// callApps are enough that there are many tokens, few enough to get them soon.
const callApps = 400

// calls measures what a call costs at the gateway, beside servers that do less:
// all are up at once, at one upstream, and take turns.
func (b *bench) calls() (err error) {
	stopped := &processes{folder: b.folder}
	defer func() { err = errors.Join(err, stopped.stop()) }()
	upstream, err := stopped.upstream()
	if err != nil {
		return err
	}
	plain := order{Apps: callApps, Secrets: 2, Upstream: "http://" + upstream}
	crypted := plain
	crypted.TLS = true
	return b.with(plain, func(s *server) error {
		return b.with(crypted, func(over *server) error {
			rows, err := b.callers(s, over, stopped, upstream)
			if err != nil {
				return err
			}
			err = b.compareCalls(rows)
			b.aside += stopped.used() + processTime(s.cmd.Process.Pid) + processTime(over.cmd.Process.Pid)
			return err
		})
	})
}

// callers lists the servers, with what is sent to each.
func (b *bench) callers(s, over *server, p *processes, upstream string) ([]*call, error) {
	tokens, err := fetchTokens(s)
	if err != nil {
		return nil, err
	}
	encrypted, err := fetchTokens(over)
	if err != nil {
		return nil, err
	}
	with := func(tokens []string) [][]byte {
		var out [][]byte
		for _, token := range tokens {
			out = append(out, fmt.Appendf(nil, "GET /bench/v1/thing HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n\r\n", token))
		}
		return out
	}
	rows := []*call{
		{Server: "sallyport", ours: s, pid: s.cmd.Process.Pid, load: &load{address: s.address("production"), requests: with(tokens)}},
		{Server: "sallyport, over TLS", ours: over, pid: over.cmd.Process.Pid, load: &load{address: over.address("production"), tls: over.tls, requests: with(encrypted)}},
	}
	peers, err := p.peers(upstream, s)
	if err != nil {
		return nil, err
	}
	for _, peer := range peers {
		peer.load.requests = with(tokens)
		rows = append(rows, peer)
	}
	for _, row := range rows {
		row.load.status, row.load.at = 200, inFlight
	}
	return rows, nil
}

// fetchTokens gets a token for every app of production.
func fetchTokens(s *server) ([]string, error) {
	c := connection{address: s.address("production"), tls: s.tls}
	defer c.close()
	var tokens []string
	for app := 0; app < callApps; app += 2 {
		status, err := c.do(request(rfcPath, clientID(app), secret(app, 0)), time.Now().Add(answerIn))
		var got struct {
			Token string `json:"access_token"`
		}
		if err == nil {
			err = json.Unmarshal(c.body, &got)
		}
		if err != nil || status != 200 {
			return nil, fmt.Errorf("a token: %d, %w", status, err)
		}
		tokens = append(tokens, got.Token)
	}
	return tokens, nil
}

// compareCalls gives every server its turn in every round.
func (b *bench) compareCalls(rows []*call) error {
	for _, row := range rows {
		if _, err := row.load.closed(b.long / 4); err != nil {
			return fmt.Errorf("%s: %w", row.Server, err)
		}
	}
	for _, row := range rows {
		if b.profile == "" || row.ours == nil {
			continue
		}
		if _, err := row.ours.ask("profile ../" + filepath.Base(b.profile)); err != nil {
			return err
		}
		if _, err := row.load.closed(b.long); err != nil {
			return fmt.Errorf("%s: %w", row.Server, err)
		}
		if err := b.keepProfile(row.ours, kind{what: "a call through " + row.Server}); err != nil {
			return err
		}
	}
	for range b.rounds {
		reference := 0.0
		for _, row := range rows {
			before := processTime(row.pid)
			m, err := row.load.closed(b.long)
			if err != nil {
				return fmt.Errorf("%s: %w", row.Server, err)
			}
			row.used = append(row.used, float64((processTime(row.pid)-before).Microseconds())/float64(m.total))
			row.perSec = append(row.perSec, m.perSecond())
			if row.measures {
				reference = row.used[len(row.used)-1]
			}
		}
		for _, row := range rows {
			row.ratios = append(row.ratios, row.used[len(row.used)-1]/reference)
		}
	}
	b.say("\na call, 64 in flight; and at %d a second\n%-28s %9s %15s %7s %9s %9s %8s %8s\n", callRate, "through", "CPU µs", "(lowest-highest)", "ratio", "a second", "CPU µs", "p50 µs", "p99 µs")
	for _, row := range rows {
		before := processTime(row.pid)
		m, err := row.load.open(b.long, callRate)
		if err != nil {
			return fmt.Errorf("%s: %w", row.Server, err)
		}
		row.AtRate = float64((processTime(row.pid) - before).Microseconds()) / float64(m.total)
		row.Median, row.P99 = micros(m.quantile(0.5)), micros(m.quantile(0.99))
		row.Lowest, row.Highest = least(row.used), -least(negative(row.used))
		row.Micros, row.Ratio, row.PerSec = median(row.used), median(row.ratios), median(row.perSec)
		b.report.Calls = append(b.report.Calls, *row)
		b.say("%-28s %9.1f %7.1f-%-8.1f %7.2f %9.0f %9.1f %8.0f %8.0f\n", row.Server, row.Micros, row.Lowest, row.Highest, row.Ratio, row.PerSec, row.AtRate, row.Median, row.P99)
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func least(values []float64) float64 {
	lowest := values[0]
	for _, v := range values {
		lowest = min(lowest, v)
	}
	return lowest
}

func negative(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = -v
	}
	return out
}
