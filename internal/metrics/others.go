package metrics

import "strconv"

// breakerStates are those that a circuit breaker can be in, as package upstream names
// them.
func breakerStates() []string { return []string{"closed", "open", "half_open"} }

// others tells of the servers of others: those of upstreams, and other issuers.
func others() []Metric {
	target := func(t Target) []string { return []string{t.Environment, t.API, strconv.Itoa(t.Place)} }
	labels := []string{"environment", "api", "target"}
	return []Metric{
		{"upstream_target_healthy", "gauge", "Whether a server of an upstream is given calls, 1, or is passed over, 0: of upstreams with several, or with rules for when one fails. The target is its place in the manifest, from 1.", labels, func(r *Reading, out emit) {
			for _, t := range r.Targets {
				out(truth(t.Healthy), target(t)...)
			}
		}},
		{"upstream_target_passed_over_total", "counter", "Times that a server began to be passed over: calls or probes failed, or its breaker opened.", labels, func(r *Reading, out emit) {
			for _, t := range r.Targets {
				out(float64(t.Passed), target(t)...)
			}
		}},
		{"upstream_breaker_state", "gauge", "1 under the state that the circuit breaker of a server is in: closed, open, half_open; 0 under the others.", append(labels[:3:3], "state"), func(r *Reading, out emit) {
			for _, t := range r.Targets {
				if t.Breaker == "" {
					continue
				}
				for _, state := range breakerStates() {
					out(truth(t.Breaker == state), append(target(t), state)...)
				}
			}
		}},
		{"issuer_keys", "gauge", "Keys that the tokens of another issuer are verified by; at 0 they are answered 503.", []string{"issuer"}, func(r *Reading, out emit) {
			for _, i := range r.Issuers {
				out(float64(i.Keys), i.Name)
			}
		}},
		{"issuer_keys_read_timestamp_seconds", "gauge", "When the keys of another issuer were read last, or found to be unchanged. Missing: never.", []string{"issuer"}, func(r *Reading, out emit) {
			for _, i := range r.Issuers {
				if !i.Read.IsZero() {
					out(seconds(i.Read), i.Name)
				}
			}
		}},
		{"issuer_fetches_total", "counter", "Fetches of another issuer's keys, and of what says where they are: ok or failed.", []string{"issuer", "result"}, func(r *Reading, out emit) {
			for _, i := range r.Issuers {
				out(float64(i.Fetches), i.Name, "ok")
				out(float64(i.Failures), i.Name, "failed")
			}
		}},
	}
}
