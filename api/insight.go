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
}

// UsageFilter chooses usage; empty fields choose all.
type UsageFilter struct {
	Org         string
	App         string
	Environment string
	From        time.Time // zero: a day before To
	To          time.Time // exclusive; zero: now
}

// Refusal is why a token request or a call was refused.
type Refusal struct {
	TraceID     string    `json:"trace_id"`
	At          time.Time `json:"at"`
	Environment string    `json:"environment"`
	Surface     string    `json:"surface"` // "token", "call"
	Method      string    `json:"method"`
	Path        string    `json:"path"` // never the query
	Status      int       `json:"status"`
	Code        string    `json:"code"`   // the error that was answered
	Reason      string    `json:"reason"` // what it really was
	Next        string    `json:"next"`   // what to do about it
	Org         string    `json:"org,omitempty"`
	App         string    `json:"app,omitempty"`
	Credential  string    `json:"credential,omitempty"`
}

// RefusalFilter chooses refusals.
type RefusalFilter struct {
	Org   string // empty: all
	Limit int    // 1 to 1000; 0: 100
}
