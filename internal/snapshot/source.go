package snapshot

import (
	"context"
	"errors"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// OrgRecord is an organization with all that is decided by it.
type OrgRecord struct {
	Org           market.Organization
	Subscriptions []market.Subscription
	TINs          []market.TIN // the associated ones
	Submitters    []market.Submitter
}

// AppRecord is an app with its credentials, the revoked ones too: their tokens
// may still be about.
type AppRecord struct {
	App         market.App
	Credentials []market.Credential
}

// Rest is what is small enough to be read whole.
type Rest struct {
	Products   []market.Product
	NotBefores []market.NotBefore
	Catalog    int64 // version of the newest catalogue; 0: none
}

// Entry is one line of the change feed. Kind and Key name the aggregate to read
// again; entries come in the order in which their changes became durable, with
// no gap that is filled later.
type Entry struct {
	Seq  int64
	Kind market.Kind // KindOrg … KindPlatform
	Key  string
}

// ErrPruned is what Changes returns when entries after the asked one are no
// longer kept: the reader has to start over.
var ErrPruned = errors.New("snapshot: change feed no longer reaches back that far")

// Source is where the snapshot is read from.
type Source interface {
	// Head returns the newest entry's Seq, 0 if there is none.
	Head(ctx context.Context) (int64, error)
	// Changes returns up to limit entries after a Seq, oldest first.
	Changes(ctx context.Context, after int64, limit int) ([]Entry, error)
	// Orgs yields the organization with that id, or all of them for "".
	Orgs(ctx context.Context, id id.Org, yield func(OrgRecord) error) error
	// Apps yields the app with that id, or all of them for "".
	Apps(ctx context.Context, id id.App, yield func(AppRecord) error) error
	// Revocations yields those of the tokens with these jtis, or all for nil; never
	// one that may be forgotten. It costs what it yields, however many there are.
	Revocations(ctx context.Context, jtis []string, yield func(market.Revocation) error) error
	// Rest returns the rest.
	Rest(ctx context.Context) (Rest, error)
}
