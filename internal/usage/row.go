package usage

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Key is what calls and tokens are counted by. Its values come from the
// catalogue, the marketplace and fixed lists, never from a caller, so their
// number is bounded.
type Key struct {
	Hour        int64 // Unix seconds of the hour's start
	Environment market.Environment
	Org         id.Org // empty: nobody that we know
	App         id.App
	API         string // empty for a token request
	Operation   string
	Product     string
	Outcome     string // "ok", or the error code of the refusal
	Source      string // "mock", "live", "token", "reused"
}

// Row is a count, with the total of their durations.
type Row struct {
	Key
	Count    int64
	Duration time.Duration
}

// LastUse is when and from where a credential was used last.
type LastUse struct {
	Credential id.Credential
	At         time.Time
	From       string // network, /24 or /48
}

// Filter chooses rows; empty fields choose all.
type Filter struct {
	Org         id.Org
	App         id.App
	Environment market.Environment
	From, To    time.Time // To exclusive; zero: no bound
}

// Store keeps the counts.
type Store interface {
	// AddUsage adds rows to what is there and notes the last uses, all or nothing.
	AddUsage(ctx context.Context, rows []Row, uses []LastUse) error
	// Usage returns the rows that filter chooses, by hour.
	Usage(ctx context.Context, filter Filter) ([]Row, error)
}
