package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// callRate is a load that leaves the machine mostly idle.
const callRate = 1000

// callApps are enough that there are many tokens, few enough to get them soon.
const callApps = 400

// onePath is what is called where it does not matter what.
const onePath = "/bench/v1/thing"

// calls measures what a call costs at the gateway, beside servers that do less:
// all are up at once, at one upstream, and take turns.
func (b *bench) calls(what string) error {
	return b.beside(func(p *processes, upstream string) error {
		plain := order{Apps: callApps, Secrets: 2, Upstream: "http://" + upstream}
		crypted := plain
		crypted.TLS = true
		return b.with(plain, func(s *server) error {
			return b.with(crypted, func(over *server) error {
				return b.with(order{Null: true, Upstream: plain.Upstream}, func(least *server) error {
					rows, err := b.callers(s, over, p, upstream)
					if err != nil {
						return err
					}
					rows = append(rows, ours(relayAlone, least, rows[0].load.requests))
					if err := b.turns(rows); err != nil {
						return err
					}
					b.against(rows)
					return b.atRate(what, rows)
				})
			})
		})
	})
}

// relayAlone is what a gateway behind net/http costs at the least.
const relayAlone = "net/http and our relay alone"

// callTargets are how much of others' CPU a call may cost, with everything on and tokens
// that were seen before.
var callTargets = map[string]float64{reverseProxy: 0.65, haproxyChecked: 0.6, nginxPlain: 1.8}

// against is what one server's calls cost beside another's.
type against struct {
	Server  string  `json:"server"`
	Other   string  `json:"other"`
	Ratio   float64 `json:"ratio"` // of each round, the median
	Target  float64 `json:"target,omitempty"`
	Reached bool    `json:"reached"`
}

// against compares Sallyport, and the least that it could cost, with those that have a
// target.
func (b *bench) against(rows []*call) {
	b.say("\n%-30s %-32s %7s %7s\n", "CPU of a call through", "in CPU of one through", "ratio", "target")
	for _, row := range rows {
		if row.Server != "sallyport" && row.Server != relayAlone {
			continue
		}
		for _, other := range rows {
			target := callTargets[other.Server]
			if target == 0 {
				continue
			}
			a := against{Server: row.Server, Other: other.Server, Ratio: ratioOf(row.used, other.used)}
			text := ""
			if row.Server == "sallyport" {
				a.Target, a.Reached = target, a.Ratio <= target
				text = fmt.Sprintf("%7.4g %s", target, mark(a.Reached))
			}
			b.report.Against = append(b.report.Against, a)
			b.say("%-30s %-32s %7.2f %s\n", a.Server, a.Other, a.Ratio, text)
		}
	}
}

// ratioOf is the median of the ratios of each round.
func ratioOf(used, other []float64) float64 {
	ratios := make([]float64, len(used))
	for i := range used {
		ratios[i] = used[i] / other[i]
	}
	return median(ratios)
}

// callers lists the servers, with what is sent to each.
func (b *bench) callers(s, over *server, p *processes, upstream string) ([]*call, error) {
	tokens, err := fetchTokens(s, callApps, callApps/2)
	if err != nil {
		return nil, err
	}
	encrypted, err := fetchTokens(over, callApps, callApps/2)
	if err != nil {
		return nil, err
	}
	rows := []*call{ours("sallyport", s, calling(tokens, onePath)), ours("sallyport, over TLS", over, calling(encrypted, onePath))}
	others, err := b.open(p, upstream, s, tokens)
	return append(rows, others...), err
}

// ours is a row of a server of ours.
func ours(name string, s *server, requests [][]byte) *call {
	return &call{Server: name, ours: s, pid: s.cmd.Process.Pid, load: &load{
		address: s.address("production"), tls: s.tls, requests: requests, status: 200, at: inFlight,
	}}
}

// atRate adds what a call costs, and how long it takes, when there is little to do.
func (b *bench) atRate(what string, rows []*call) error {
	b.say("\n%s, %d in flight; and at %d a second\n%-30s %9s %17s %7s %9s %9s %8s %8s\n", what, inFlight, callRate,
		"through", "CPU µs", "(lowest-highest)", "ratio", "a second", "CPU µs", "p50 µs", "p99 µs")
	for _, row := range rows {
		before := processTime(row.pid)
		m, err := row.load.open(b.long, callRate)
		if err != nil {
			return fmt.Errorf("%s: %w", row.Server, err)
		}
		row.AtRate = micros(processTime(row.pid)-before) / float64(m.total)
		row.Median, row.P99 = micros(m.quantile(0.5)), micros(m.quantile(0.99))
		b.report.Calls = append(b.report.Calls, row)
		b.say("%-30s %9.1f %8.1f-%-8.1f %7.2f %9.0f %9.1f %8.0f %8.0f\n", row.Server, row.Micros, row.Lowest, row.Highest, row.Ratio, row.PerSec, row.AtRate, row.Median, row.P99)
	}
	return nil
}

// calling is a call with each of the tokens.
func calling(tokens []string, path string) [][]byte {
	var out [][]byte
	for _, token := range tokens {
		out = append(out, fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: application/json\r\nAuthorization: Bearer %s\r\n\r\n", path, token))
	}
	return out
}

// fetchTokens gets n tokens for apps of production, spread over all of them: each is
// another.
func fetchTokens(s *server, apps, n int) ([]string, error) {
	l := load{address: s.address("production"), tls: s.tls, status: 200, at: 8}
	for i := range n {
		app := i % (apps / 2)
		if n < apps/2 {
			app = i * (apps / 2 / n)
		}
		l.requests = append(l.requests, request(rfcPath, clientID(2*app), secret(2*app, 0)))
	}
	tokens := make([]string, n)
	broken := make([]error, n)
	_, err := l.exactly(func(i int, body []byte) {
		var got struct {
			Token string `json:"access_token"`
		}
		broken[i] = json.Unmarshal(body, &got)
		tokens[i] = got.Token
	})
	for i := range tokens {
		if err == nil {
			err = broken[i]
		}
		if err == nil && tokens[i] == "" {
			err = errors.New("an answer without a token")
		}
	}
	return tokens, err
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
