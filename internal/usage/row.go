package usage

import (
	"context"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/latency"
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

// Row is a count, with the total of their durations and how they are spread.
type Row struct {
	Key
	Count    int64
	Duration time.Duration
	Took     latency.Histogram // of none in rows that an older version has written
}

// AddUp adds up the rows of all hours, one for each key, under the first hour. The
// rows come by hour, as they go.
func AddUp(rows []Row) []Row {
	at := map[Key]int{}
	var out []Row
	for _, r := range rows {
		k := r.Key
		k.Hour = 0
		i, there := at[k]
		if !there {
			at[k] = len(out)
			out = append(out, r)
			continue
		}
		out[i].Count += r.Count
		out[i].Duration += r.Duration
		out[i].Took.Merge(&r.Took)
	}
	return out
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

// Batch is what is added to the store at a time.
type Batch struct {
	ID   string // a batch that is there already is not added again; empty: it is not asked
	Rows []Row
	Uses []LastUse
}

// TokenUse is how an app in an environment uses its tokens. A client that fetches
// one for every call pays for a signature each time, and so do we.
type TokenUse struct {
	Org         id.Org
	App         id.App
	Environment market.Environment
	Signed      int64 // tokens that were made for it
	Again       int64 // times that it was given the same token again
	Refused     int64 // token requests
	Calls       int64 // refused ones too: they came with a token
	Hours       int64 // in which it got tokens
}

// Fetched is how often it was given a token.
func (u TokenUse) Fetched() int64 { return u.Signed + u.Again }

// What is beyond doubt too many: more than one token for ten calls, and more than
// four an hour. An app that calls rarely needs a token for each call.
const (
	callsPerToken = 10
	tokensPerHour = 4
)

// Excess is how many tokens, times ten, it fetched beyond one for ten calls.
func (u TokenUse) Excess() int64 { return u.Fetched()*callsPerToken - u.Calls }

// Chatty reports whether it should keep its tokens.
func (u TokenUse) Chatty() bool { return u.Excess() > 0 && u.Fetched() > u.Hours*tokensPerHour }

// TokenFilter chooses what is counted of the use of tokens; empty fields choose all.
type TokenFilter struct {
	Filter
	After string // where the page before ended
	Limit int
}

// Store keeps the counts.
type Store interface {
	// AddUsage adds the rows of a batch to what is there and notes the last uses,
	// all or nothing, and once.
	AddUsage(ctx context.Context, batch Batch) error
	// Usage returns the rows that filter chooses, by hour.
	Usage(ctx context.Context, filter Filter) ([]Row, error)
	// TokenUse returns how apps use tokens, by their excess, and where the next
	// page begins; "": there is none.
	TokenUse(ctx context.Context, filter TokenFilter) (page []TokenUse, next string, err error)
}
