package api

import (
	"encoding/json"
	"time"
)

// AuditRecord is one thing done.
type AuditRecord struct {
	Seq    int64           `json:"seq"`
	At     time.Time       `json:"at"`
	Actor  Actor           `json:"actor"`
	Action string          `json:"action"`
	Kind   string          `json:"kind"`
	ID     string          `json:"id"`
	Org    string          `json:"org,omitempty"` // whose it is, if anyone's
	Detail json.RawMessage `json:"detail"`        // an object
}

// Actor is who did something.
type Actor struct {
	Kind string `json:"kind"` // "operator", "app", "system"
	ID   string `json:"id"`
	From string `json:"from,omitempty"` // network address
}

// AuditFilter chooses audit records; empty fields choose all.
type AuditFilter struct {
	Org  string
	Kind string
	ID   string
	Page Page
}

// UsageRow counts calls or token requests of one hour.
type UsageRow struct {
	Hour        time.Time `json:"hour"` // its start
	Environment string    `json:"environment"`
	Org         string    `json:"org,omitempty"` // missing: nobody that we know
	App         string    `json:"app,omitempty"`
	API         string    `json:"api,omitempty"` // missing: a token request
	Operation   string    `json:"operation,omitempty"`
	Product     string    `json:"product,omitempty"`
	Outcome     string    `json:"outcome"` // "ok", or the error code of the refusal
	Source      string    `json:"source"`  // "mock", "live", "token", "reused"
	Count       int64     `json:"count"`
	DurationMS  int64     `json:"duration_ms"` // of all of them together
	// Half of them took less than P50MS, and so on: in milliseconds, off by less than
	// a factor of two. Missing: they were counted by a version that did not tell.
	P50MS *float64 `json:"p50_ms,omitempty"`
	P95MS *float64 `json:"p95_ms,omitempty"`
	P99MS *float64 `json:"p99_ms,omitempty"`
}

// UsageFilter chooses usage; empty fields choose all.
type UsageFilter struct {
	Org         string
	App         string
	Environment string
	From        time.Time // zero: a day before To
	To          time.Time // exclusive; zero: now
	By          string    // "hour", or "total": the hours added up; empty: hour
}

// TokenUsage is how an app in an environment uses its tokens.
type TokenUsage struct {
	Org           string   `json:"org"`
	App           string   `json:"app"`
	Environment   string   `json:"environment"`
	Signed        int64    `json:"signed"`                    // tokens made for it
	Again         int64    `json:"again"`                     // times that it got the same token again
	Refused       int64    `json:"refused"`                   // token requests
	Calls         int64    `json:"calls"`                     // refused ones too
	TokensPerCall *float64 `json:"tokens_per_call,omitempty"` // missing: it made no calls
	Advice        string   `json:"advice,omitempty"`          // missing: there is nothing to say
}

// TokenUsageFilter chooses how tokens are used; empty fields choose all.
type TokenUsageFilter struct {
	UsageFilter
	Page Page
}

// Refusal is why a token request or a call was refused.
type Refusal struct {
	TraceID     string    `json:"trace_id"`
	At          time.Time `json:"at"`
	Environment string    `json:"environment"`
	Surface     string    `json:"surface"` // "token", "call", "report": a call that passed by validate: report
	Method      string    `json:"method"`
	Path        string    `json:"path"` // the operation's template, where there is one; never the query
	Status      int       `json:"status"`
	Code        string    `json:"code"`                   // the error that was answered
	Reason      string    `json:"reason"`                 // what it really was
	Next        string    `json:"next"`                   // what to do about it
	Parameter   string    `json:"parameter,omitempty"`    // what it is about, by its name in the request
	SkewSeconds int64     `json:"skew_seconds,omitempty"` // how far past its end what was sent was; negative: ahead of its beginning
	Org         string    `json:"org,omitempty"`
	App         string    `json:"app,omitempty"`
	Credential  string    `json:"credential,omitempty"`
	Label       string    `json:"credential_label,omitempty"`
	Hint        string    `json:"credential_hint,omitempty"` // the first characters of the secret
}

// RefusalFilter chooses refusals; empty fields choose all.
type RefusalFilter struct {
	Org         string
	App         string
	Credential  string
	Environment string
	Surface     string // "token", "call", "report": a call that passed by validate: report
	Code        string
	Trace       string
	From        time.Time
	To          time.Time // exclusive
	Page        Page
}
