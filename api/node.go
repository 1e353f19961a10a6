package api

import "time"

// Node is a running process of the installation, as it last told of itself.
type Node struct {
	ID       string              `json:"id"`
	Name     string              `json:"name"` // host:pid
	Version  string              `json:"version"`
	State    string              `json:"state"` // "serving", "silent" (rotations wait for it), "gone"
	Started  time.Time           `json:"started"`
	Seen     time.Time           `json:"seen"`
	Sequence int64               `json:"sequence"` // of the newest change that it knew
	Keys     map[string][]string `json:"keys"`     // the kids that it holds, by environment
}
