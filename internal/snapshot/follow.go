package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
)

// Feed says how a model follows its source. All fields are needed.
type Feed struct {
	Source Source
	Wake   <-chan struct{} // something may have changed: read now
	Poll   time.Duration   // read at least this often, whether woken or not
	Logger *slog.Logger
	// Changed is told which kinds of aggregate changed, after the model shows
	// it: keys and catalogues are kept by others.
	Changed func(ctx context.Context, kinds map[market.Kind]bool)
}

const (
	feedBatch    = 1000
	readTimeout  = 10 * time.Second
	loadTimeout  = 10 * time.Minute
	sweepSeconds = 60
)

// Load reads the source whole, and replaces what the model held.
func (m *Model) Load(ctx context.Context, source Source) error {
	head, err := m.load(ctx, source)
	if err == nil {
		m.move(head)
	}
	return err
}

// load reads everything, and returns the change that the model shows then.
func (m *Model) load(ctx context.Context, source Source) (head int64, err error) {
	began := m.now()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	// The head comes first: what changes while we read is in the feed after it.
	if head, err = source.Head(ctx); err != nil {
		return 0, fmt.Errorf("read the change feed's head: %w", err)
	}
	fresh := New(m.now)
	rest, err := source.Rest(ctx)
	if err != nil {
		return 0, fmt.Errorf("read products and not-befores: %w", err)
	}
	if err := source.Revocations(ctx, nil, func(r market.Revocation) error { fresh.putRevocation(r); return nil }); err != nil {
		return 0, fmt.Errorf("read revocations: %w", err)
	}
	if err := source.Orgs(ctx, "", func(r OrgRecord) error { fresh.putOrg(r); return nil }); err != nil {
		return 0, fmt.Errorf("read organizations: %w", err)
	}
	if err := source.Apps(ctx, "", func(r AppRecord) error { fresh.putApp(r); return nil }); err != nil {
		return 0, fmt.Errorf("read apps: %w", err)
	}
	m.mu.Lock()
	m.orgs, m.apps, m.appsByID, m.credentials = fresh.orgs, fresh.apps, fresh.appsByID, fresh.credentials
	m.revoked = fresh.revoked
	m.mu.Unlock()
	m.putRest(rest)
	m.checked.Store(&began)
	return head, nil
}

// Follow keeps a loaded model fresh until ctx ends. A source that fails leaves
// the model as it is, growing older; Follow goes on asking.
func (m *Model) Follow(ctx context.Context, feed Feed) error {
	ticker := time.NewTicker(feed.Poll)
	defer ticker.Stop()
	sweep := time.NewTicker(sweepSeconds * time.Second)
	defer sweep.Stop()
	failing := false
	var watch clock.Watch
	watch.Look(m.now())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			// What was forgotten by a clock that was wrong would not be known when it is
			// right: a token that was revoked would be good again.
			if watch.Look(m.now()); watch.Settled() {
				m.sweep()
			}
			continue
		case <-feed.Wake:
		case <-ticker.C:
		}
		err := m.catchUp(ctx, feed)
		switch {
		case err != nil && ctx.Err() == nil && !failing:
			failing = true
			feed.Logger.ErrorContext(ctx, "cannot read the change feed; going on with what is known", slog.Any("error", err))
		case err == nil && failing:
			failing = false
			feed.Logger.InfoContext(ctx, "reading the change feed again", slog.Int64("seq", m.Head()))
		}
	}
}

// move notes that the model is at seq, and tells those who wait for it.
func (m *Model) move(seq int64) {
	m.head.Store(seq)
	next := make(chan struct{})
	close(*m.moved.Swap(&next))
}

// Await returns once the model shows the change with that Seq, or ctx ends.
func (m *Model) Await(ctx context.Context, seq int64) {
	for {
		moved := *m.moved.Load()
		if m.Head() >= seq {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		}
	}
}

// catchUp applies the feed up to its end.
func (m *Model) catchUp(ctx context.Context, feed Feed) error {
	for {
		began := m.now()
		entries, err := m.changes(ctx, feed.Source)
		if errors.Is(err, ErrPruned) {
			head, err := m.load(ctx, feed.Source)
			if err != nil {
				return err
			}
			feed.Changed(ctx, map[market.Kind]bool{market.KindKeys: true, market.KindCatalog: true})
			m.move(head)
			return nil
		}
		if err != nil {
			return err
		}
		if len(entries) > 0 {
			if err := m.apply(ctx, feed, entries); err != nil {
				return err
			}
		}
		if len(entries) < feedBatch {
			m.checked.Store(&began)
			return nil
		}
	}
}

func (m *Model) changes(ctx context.Context, source Source) ([]Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return source.Changes(ctx, m.Head(), feedBatch)
}

// apply reads again what entries name, each aggregate once.
func (m *Model) apply(ctx context.Context, feed Feed, entries []Entry) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	kinds := map[market.Kind]bool{}
	done := map[Entry]bool{}
	var revoked []string
	rest := false
	for _, e := range entries {
		kinds[e.Kind] = true
		what := Entry{Kind: e.Kind, Key: e.Key}
		if done[what] {
			continue
		}
		done[what] = true
		switch e.Kind {
		case market.KindOrg:
			if err := m.readOrg(ctx, feed.Source, id.Org(e.Key)); err != nil {
				return err
			}
		case market.KindApp:
			if err := m.readApp(ctx, feed.Source, id.App(e.Key)); err != nil {
				return err
			}
		case market.KindRevocation:
			revoked = append(revoked, e.Key)
		case market.KindProduct, market.KindCatalog, market.KindPlatform:
			rest = true
		case market.KindKeys: // not of the model: feed.Changed tells it
		case market.KindCredential, market.KindSubscription, market.KindTIN, market.KindSubmitter, market.KindOperatorToken, market.KindNode: // not of the feed
		}
	}
	if len(revoked) > 0 {
		err := feed.Source.Revocations(ctx, revoked, func(r market.Revocation) error { m.putRevocation(r); return nil })
		if err != nil {
			return fmt.Errorf("read revocations: %w", err)
		}
	}
	if rest {
		r, err := feed.Source.Rest(ctx)
		if err != nil {
			return fmt.Errorf("read products and not-befores: %w", err)
		}
		m.putRest(r)
	}
	// The others first: who awaits the change awaits all that follows from it.
	feed.Changed(ctx, kinds)
	m.move(entries[len(entries)-1].Seq)
	return nil
}

func (m *Model) readOrg(ctx context.Context, source Source, org id.Org) error {
	found := false
	err := source.Orgs(ctx, org, func(r OrgRecord) error {
		found = true
		m.putOrg(r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read organization %s: %w", org, err)
	}
	if !found {
		m.dropOrg(org)
	}
	return nil
}

func (m *Model) readApp(ctx context.Context, source Source, app id.App) error {
	found := false
	err := source.Apps(ctx, app, func(r AppRecord) error {
		found = true
		m.putApp(r)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read app %s: %w", app, err)
	}
	if !found {
		m.dropApp(app)
	}
	return nil
}
