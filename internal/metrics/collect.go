package metrics

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport-dev/sallyport/internal/latency"
)

// Metric is one family of what is told.
type Metric struct {
	Name   string
	Kind   string // counter, gauge, histogram
	Help   string
	Labels []string
	read   func(r *Reading, out emit)
}

// emit tells one value under the labels' values.
type emit func(value any, labels ...string)

// All lists every metric of ours, in the order in which they are documented.
func All() []Metric {
	return slices.Concat(serving(), others(), deciding(), keeping(), program())
}

func serving() []Metric {
	return []Metric{
		{"requests_duration_seconds", "histogram", "Requests that a listener answered, and how long they took; a request whose connection is upgraded lasts as long as it.", []string{"surface", "class"}, func(r *Reading, out emit) {
			for _, s := range r.Requests {
				out(s.Spread, s.Surface, s.Class)
			}
		}},
		{"calls_total", "counter", "Calls by the catalogue's name of the API, empty where none was found; the outcome is ok, the code of a refusal, http_4xx or http_5xx for what an upstream or mock data answered, or aborted.", []string{"environment", "api", "outcome", "source"}, func(r *Reading, out emit) {
			for _, c := range r.Calls {
				if isCall(c) {
					out(float64(c.Took.Count()), c.Environment, c.API, c.Outcome, c.Source)
				}
			}
		}},
		{"calls_duration_seconds", "histogram", "How long calls took, with the upstream's time.", []string{"environment", "api", "source"}, func(r *Reading, out emit) {
			emitMerged(r.Calls, isCall, out, func(c Calls) []string { return []string{c.Environment, c.API, c.Source} })
		}},
		{"tokens_total", "counter", "Token requests; the outcome is ok, reused for a token that was given again, or the error.", []string{"environment", "dialect", "method", "outcome"}, func(r *Reading, out emit) {
			for _, t := range r.Tokens {
				out(float64(t.Count), t.Environment, t.Dialect, t.Method, t.Outcome)
			}
		}},
		{"tokens_duration_seconds", "histogram", "How long token requests took; the source is token for those that were signed or refused, or reused.", []string{"environment", "source"}, func(r *Reading, out emit) {
			emitMerged(r.Calls, func(c Calls) bool { return !isCall(c) }, out, func(c Calls) []string { return []string{c.Environment, c.Source} })
		}},
		{"upstream_duration_seconds", "histogram", "Calls that an upstream answered, until its headers were there.", []string{"environment", "api"}, func(r *Reading, out emit) {
			for _, u := range r.Upstream {
				out(u.Answered, u.Environment, u.API)
			}
		}},
		{"upstream_errors_total", "counter", "Calls that an upstream did not answer: bad_gateway, gateway_timeout; or client_gone, invalid_request where the caller broke off.", []string{"environment", "api", "error"}, func(r *Reading, out emit) {
			for _, u := range r.Upstream {
				for what, n := range u.Errors {
					out(float64(n), u.Environment, u.API, what)
				}
			}
		}},
		{"upstream_requests_under_way", "gauge", "Calls that are at an upstream now.", []string{"environment", "api"}, func(r *Reading, out emit) {
			for _, u := range r.Upstream {
				out(float64(u.UnderWay), u.Environment, u.API)
			}
		}},
		{"upstream_connections", "gauge", "Connections to upstreams that are open.", []string{"environment", "upstream"}, func(r *Reading, out emit) {
			for _, c := range r.Connections {
				out(float64(c.Open), c.Environment, c.Upstream)
			}
		}},
		{"upstream_connections_opened_total", "counter", "Connections that were opened.", []string{"environment", "upstream"}, func(r *Reading, out emit) {
			for _, c := range r.Connections {
				out(float64(c.Opened), c.Environment, c.Upstream)
			}
		}},
	}
}

// isCall tells calls from token requests, which are counted with them.
func isCall(c Calls) bool { return c.Source != "token" && c.Source != "reused" }

// emitMerged adds up those that are chosen, by labels.
func emitMerged(all []Calls, chosen func(Calls) bool, out emit, labels func(Calls) []string) {
	sums, named := map[string]*Spread{}, map[string][]string{}
	for _, c := range all {
		if !chosen(c) {
			continue
		}
		by := labels(c)
		k := strings.Join(by, "\x00")
		if sums[k] == nil {
			sums[k], named[k] = &Spread{}, by
		}
		sums[k].Took.Merge(&c.Took)
		sums[k].Total += c.Total
	}
	for k, s := range sums {
		out(*s, named[k]...)
	}
}

func deciding() []Metric {
	return []Metric{
		{"signing_waiting", "gauge", "Token requests that wait for their turn to sign.", nil, func(r *Reading, out emit) { out(float64(r.Signing.Waiting)) }},
		{"signing_turns_total", "counter", "Turns to sign that were given; RSA only, others need none.", nil, func(r *Reading, out emit) { out(float64(r.Signing.Turns)) }},
		{"signing_waits_total", "counter", "Turns that had to be waited for.", nil, func(r *Reading, out emit) { out(float64(r.Signing.Waits)) }},
		{"signing_waited_seconds_total", "counter", "How long they were waited for, together.", nil, func(r *Reading, out emit) { out(r.Signing.Waited.Seconds()) }},
		{"signing_shed_total", "counter", "Token requests that were refused since signing is overloaded: at once, or late after waiting in vain.", []string{"when"}, func(r *Reading, out emit) {
			out(float64(r.Signing.Refused), "at_once")
			out(float64(r.Signing.GivenUp), "late")
		}},
		{"signing_turn_seconds", "gauge", "How long a turn took, lately.", nil, func(r *Reading, out emit) { out(r.Signing.Signature.Seconds()) }},
		{"verified_tokens_total", "counter", "Tokens at the gateway: hit, remembered; miss, verified, or refused.", []string{"environment", "result"}, func(r *Reading, out emit) {
			for _, v := range r.Verified {
				out(float64(v.Hits), v.Environment, "hit")
				out(float64(v.Misses), v.Environment, "miss")
			}
		}},
		{"snapshot_age_seconds", "gauge", "How long ago the read model was known to be current. At max_stale the node refuses everything.", nil, func(r *Reading, out emit) { out(r.Snapshot.Age.Seconds()) }},
		{"snapshot_sequence", "gauge", "The change that the read model is at.", nil, func(r *Reading, out emit) { out(float64(r.Snapshot.Sequence)) }},
		{"snapshot_lag_changes", "gauge", "Changes in the store that the read model does not show yet. Missing while the store is away.", nil, func(r *Reading, out emit) {
			if r.Store.Up {
				out(float64(max(0, r.Store.Sequence-r.Snapshot.Sequence)))
			}
		}},
		{"snapshot_entries", "gauge", "What the read model holds: organizations, apps, secrets, revocations that are in force.", []string{"kind"}, func(r *Reading, out emit) {
			for kind, n := range r.Snapshot.Entries {
				out(float64(n), kind)
			}
		}},
		{"signing_key_age_seconds", "gauge", "For how long the key that signs has been signing. Missing: none signs.", []string{"environment", "use"}, func(r *Reading, out emit) {
			for _, k := range r.Keys {
				if !k.Signs.IsZero() {
					out(r.Now.Sub(k.Signs).Seconds(), k.Environment, k.Use)
				}
			}
		}},
		{"signing_keys_pending", "gauge", "Keys that are published and do not sign yet.", []string{"environment", "use"}, func(r *Reading, out emit) {
			for _, k := range r.Keys {
				out(float64(k.Pending), k.Environment, k.Use)
			}
		}},
		{"signing_key_next_seconds", "gauge", "In how long another key is to sign: when that is decided, else by the period; below 0, it is late. Missing: none signs.", []string{"environment", "use"}, func(r *Reading, out emit) {
			for _, k := range r.Keys {
				if !k.Next.IsZero() {
					out(k.Next.Sub(r.Now).Seconds(), k.Environment, k.Use)
				}
			}
		}},
		{"sealed_signing_keys", "gauge", "Signing keys in use, by the sealing key that they are sealed under: present, the one that seals; old, of sealing_old; unknown, this node has it not.", []string{"environment", "under"}, func(r *Reading, out emit) {
			for _, s := range r.Seals {
				out(float64(s.Present), s.Environment, "present")
				out(float64(s.Old), s.Environment, "old")
				out(float64(s.Unknown), s.Environment, "unknown")
			}
		}},
		{"signing_keys_awaited_nodes", "gauge", "Nodes that a pending key waits for, since they do not hold it.", []string{"environment", "use"}, func(r *Reading, out emit) {
			for _, k := range r.Keys {
				out(float64(k.Awaited), k.Environment, k.Use)
			}
		}},
	}
}

func keeping() []Metric {
	return []Metric{
		{"store_up", "gauge", "Whether the store answered when it was asked for this: 1 or 0.", []string{"engine"}, func(r *Reading, out emit) { out(truth(r.Store.Up), r.Engine) }},
		{"nodes", "gauge", "Nodes by state: serving, silent, gone. Missing while the store is away.", []string{"state"}, func(r *Reading, out emit) {
			for state, n := range r.Nodes {
				out(float64(n), state)
			}
		}},
		{"usage_pending_rows", "gauge", "Rows of usage that are not in the store yet. A crash loses them.", nil, func(r *Reading, out emit) { out(float64(r.Metering.Pending)) }},
		{"usage_write_failures_total", "counter", "Times that usage could not be written; it waits, and is not lost.", nil, func(r *Reading, out emit) { out(float64(r.Metering.Failures)) }},
		{"refusals_pending", "gauge", "Reasons of refusals that are not in the store yet.", nil, func(r *Reading, out emit) { out(float64(r.Metering.Refusals)) }},
		{"refusals_omitted_total", "counter", "Refusals whose reasons were too many to write. They are counted all the same.", nil, func(r *Reading, out emit) { out(float64(r.Metering.Omitted)) }},
		{"traces_total", "counter", "Recorded requests: sent to the collector; dropped, since too many waited; failed, since the collector did not take them.", []string{"result"}, func(r *Reading, out emit) {
			out(float64(r.Traces.Sent), "sent")
			out(float64(r.Traces.Dropped), "dropped")
			out(float64(r.Traces.Failed), "failed")
		}},
	}
}

func program() []Metric {
	return []Metric{
		{"certificate_expiry_timestamp_seconds", "gauge", "When the certificate of a listener expires. By ACME, the one of its names that expires first; missing until all names have one.", []string{"listener"}, func(r *Reading, out emit) {
			for _, c := range r.Certificates {
				out(seconds(c.Expires), c.Listener)
			}
		}},
		{"acme_certificates_total", "counter", "Tries to get or renew a certificate by ACME: got or failed. After one that failed others follow, less and less often.", []string{"listener", "result"}, func(r *Reading, out emit) {
			for _, a := range r.ACME {
				out(float64(a.Got), a.Listener, "got")
				out(float64(a.Failed), a.Listener, "failed")
			}
		}},
		{"upstream_tls_certificate_expiry_timestamp_seconds", "gauge", "When the certificate expires that upstreams are shown, by its name in upstream_tls.", []string{"tls"}, func(r *Reading, out emit) {
			for _, c := range r.ClientCertificates {
				out(seconds(c.Expires), c.TLS)
			}
		}},
		{"start_timestamp_seconds", "gauge", "When the program started.", nil, func(r *Reading, out emit) { out(seconds(r.Started)) }},
		{"build_info", "gauge", "1, under the program's version and Go's.", []string{"version", "go_version"}, func(r *Reading, out emit) { out(1.0, r.Version, runtime.Version()) }},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// metric is the value under desc.
func (m *Metric) metric(desc *prometheus.Desc, value any, labels []string) (prometheus.Metric, error) {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "?")
	}
	switch v := value.(type) {
	case Spread:
		buckets := make(map[float64]uint64, latency.Buckets-1)
		var below uint64
		for i, n := range v.Took[:latency.Buckets-1] {
			below += uint64(n) //nolint:gosec // a count
			buckets[latency.Bound(i).Seconds()] = below
		}
		return prometheus.NewConstHistogram(desc, uint64(v.Took.Count()), v.Total.Seconds(), buckets, labels...) //nolint:gosec // a count
	case float64:
		kind := prometheus.GaugeValue
		if m.Kind == "counter" {
			kind = prometheus.CounterValue
		}
		return prometheus.NewConstMetric(desc, kind, v, labels...)
	}
	panic("metrics: a value of no kind")
}
