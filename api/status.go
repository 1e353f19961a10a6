package api

import "time"

// Status is how a node is.
type Status struct {
	Status       string              `json:"status"` // "ok", "degraded"
	Version      string              `json:"version"`
	Started      time.Time           `json:"started"`
	Uptime       Seconds             `json:"uptime"`
	Environments []EnvironmentStatus `json:"environments"`
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
}

// SealingKeyStatus is what a sealing key is still needed for.
type SealingKeyStatus struct {
	ID    string `json:"id"`
	State string `json:"state"`  // at the node that answers: "seals", "opens", "unknown"
	Keys  int    `json:"keys"`   // signing keys sealed under it
	InUse int    `json:"in_use"` // those of them that are neither retired nor revoked
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
