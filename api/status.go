package api

import "time"

// Status is how a node is.
type Status struct {
	Status       string              `json:"status"` // "ok", "degraded"
	Version      string              `json:"version"`
	Started      time.Time           `json:"started"`
	Uptime       Seconds             `json:"uptime"`
	Environments []EnvironmentStatus `json:"environments"`
	Issuers      []IssuerStatus      `json:"issuers"` // beside our own
	Catalog      CatalogStatus       `json:"catalog"`
	Snapshot     SnapshotStatus      `json:"snapshot"`
	Store        StoreStatus         `json:"store"`
	Nodes        []Node              `json:"nodes"`
	SealingKeys  []SealingKeyStatus  `json:"sealing_keys"`
}

// EnvironmentStatus is where an environment is served.
type EnvironmentStatus struct {
	Name   string   `json:"name"`
	Issuer string   `json:"issuer"`
	URLs   []string `json:"urls"`
	// PendingKeys are published and do not sign yet.
	PendingKeys []Key `json:"pending_keys,omitempty"`
	// Upstreams are those of several servers, or with rules for when one fails.
	Upstreams []UpstreamStatus `json:"upstreams,omitempty"`
}

// UpstreamStatus is how the servers of an API do, as the node that answers sees them.
type UpstreamStatus struct {
	API     string           `json:"api"`
	Healthy int64            `json:"healthy"` // of total
	Total   int64            `json:"total"`   // without those of weight 0
	Targets []UpstreamTarget `json:"targets"`
}

// UpstreamTarget is how one server does.
type UpstreamTarget struct {
	URL     string `json:"url"`
	Healthy bool   `json:"healthy"`
}

// IssuerStatus is how another issuer is at the node that answers.
type IssuerStatus struct {
	Name         string    `json:"name"`
	Issuer       string    `json:"issuer"`
	Environments []string  `json:"environments"`
	State        string    `json:"state"` // "ok"; "stale": its keys cannot be read, and the last are gone by; "absent": none is known
	Keys         int       `json:"keys"`
	Read         time.Time `json:"read,omitzero"` // its keys, last
	Problem      string    `json:"problem,omitempty"`
}

// SealingKeyStatus is what a sealing key is still needed for.
type SealingKeyStatus struct {
	ID    string `json:"id"`
	State string `json:"state"`  // at the node that answers: "seals", "opens", "unknown"
	Keys  int    `json:"keys"`   // signing keys sealed under it
	InUse int    `json:"in_use"` // those of them that are neither retired nor revoked
}

// CatalogStatus is which catalogue the node goes by.
type CatalogStatus struct {
	Version int64 `json:"version"` // the newest that was applied; 0: none was
	Routed  int64 `json:"routed"`  // by which the node that answers routes: an older one, if it cannot read the newest
}

// SnapshotStatus is how fresh the node's read model is.
type SnapshotStatus struct {
	Sequence int64 `json:"sequence"` // of the newest change that is in it
	AgeMS    int64 `json:"age_ms"`   // since it was last known to be up to date
}

// StoreStatus is whether the node reaches its store.
type StoreStatus struct {
	State  string `json:"state"`            // "ok", "lost"
	Engine string `json:"engine,omitempty"` // "sqlite", "postgres"
}

// Health is the answer of /healthz.
type Health struct {
	Status string `json:"status"` // "ok", "stale"
}
