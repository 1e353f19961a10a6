package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"
)

// timing is how long a kind of refusal takes, and how well it can be told from a
// wrong secret by that.
type timing struct {
	What   string     `json:"what"`
	P1     float64    `json:"p1_us"`
	Median float64    `json:"p50_us"`
	P99    float64    `json:"p99_us"`
	Than   comparison `json:"against_wrong_secret"`
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
