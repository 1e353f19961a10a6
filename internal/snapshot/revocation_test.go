package snapshot_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-dev/sallyport/internal/clock/clocktest"
	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// counted is a store that counts what is read of it.
type counted struct {
	*store.Store
	revocations, others atomic.Int64
}

func (c *counted) Revocations(ctx context.Context, jtis []string, yield func(market.Revocation) error) error {
	return c.Store.Revocations(ctx, jtis, func(r market.Revocation) error {
		c.revocations.Add(1)
		return yield(r)
	})
}

func (c *counted) Rest(ctx context.Context) (snapshot.Rest, error) {
	c.others.Add(1)
	return c.Store.Rest(ctx)
}

func (c *counted) Orgs(ctx context.Context, org id.Org, yield func(snapshot.OrgRecord) error) error {
	c.others.Add(1)
	return c.Store.Orgs(ctx, org, yield)
}

func (c *counted) Apps(ctx context.Context, app id.App, yield func(snapshot.AppRecord) error) error {
	c.others.Add(1)
	return c.Store.Apps(ctx, app, yield)
}

func TestOneMoreRevocationCostsOneRowHoweverManyThereAre(t *testing.T) {
	const many, atOnce = 10_000, 500 // of a transaction, which may take seconds only
	w := open(t)
	ctx := t.Context()
	end := time.Now().Add(time.Hour)
	for first := 0; first < many; first += atOnce {
		w.must(w.store.Update(ctx, market.System, func(tx market.Tx) error {
			for i := range atOnce {
				if err := tx.AddRevocation(market.Revocation{JTI: fmt.Sprintf("%036d", first+i), Expires: end, Created: time.Now()}); err != nil {
					return err
				}
			}
			return tx.Record(market.Change{Action: "revoke", Kind: market.KindRevocation, ID: "many"})
		}))
	}
	source := &counted{Store: w.store}
	w.must(w.model.Load(ctx, source))
	if got := source.revocations.Load(); got != many || !w.model.Revoked(fmt.Sprintf("%036d", many-1)) {
		t.Fatalf("a start reads %d revocations, want %d", got, many)
	}
	source.revocations.Store(0)
	source.others.Store(0)
	for _, jti := range []string{"one", "another"} {
		w.must(w.RevokeToken(ctx, market.System, market.Revocation{JTI: jti, Expires: end}))
	}
	w.followFrom(source, "both are known", func() bool { return w.model.Revoked("one") && w.model.Revoked("another") })
	if got, others := source.revocations.Load(), source.others.Load(); got != 2 || others != 0 {
		t.Errorf("two revocations cost %d rows and %d other reads, want 2 and none", got, others)
	}
	if !w.model.Revoked(fmt.Sprintf("%036d", 0)) {
		t.Error("those of before were forgotten")
	}
	again := snapshot.New(time.Now) // a restart
	w.must(again.Load(ctx, w.store))
	if !again.Revoked("one") || !again.Revoked(fmt.Sprintf("%036d", 0)) {
		t.Error("a restart forgets revocations")
	}
}

// revoking is a source with an endless feed of revocations, each of a token that
// ends an hour after.
type revoking struct {
	outage
	seq atomic.Int64
}

func (s *revoking) Changes(_ context.Context, after int64, _ int) ([]snapshot.Entry, error) {
	seq := s.seq.Load()
	if seq <= after {
		return nil, nil
	}
	return []snapshot.Entry{{Seq: seq, Kind: market.KindRevocation, Key: jti(seq)}}, nil
}

func (*revoking) Revocations(_ context.Context, jtis []string, yield func(market.Revocation) error) error {
	for _, jti := range jtis {
		if err := yield(market.Revocation{JTI: jti, Expires: time.Now().Add(time.Hour)}); err != nil {
			return err
		}
	}
	return nil
}

func jti(seq int64) string { return fmt.Sprintf("%036d", seq) }

func TestARevocationIsForgottenOnceItsTokenHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &revoking{}
		m := snapshot.New(time.Now)
		if err := m.Load(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Follow(ctx, snapshot.Feed{ // returns nil
			Source: source, Wake: make(chan struct{}), Poll: time.Second, Logger: slog.New(slog.DiscardHandler),
			Changed: func(context.Context, map[market.Kind]bool) {},
		})
		first := m.Head() + 1
		for n := range int64(10) { // one every ten minutes
			source.seq.Store(first + n)
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if !m.Revoked(jti(first + n)) {
				t.Fatalf("revocation %d is not known", n)
			}
		}
		for n := range int64(10) {
			age := time.Duration(10-n) * 10 * time.Minute
			if got := m.Revoked(jti(first + n)); got != (age <= time.Hour) { // read up to a second after, swept once a minute
				t.Errorf("%v after its revocation, a token of an hour: revoked is %v", age, got)
			}
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for n := range int64(10) {
			if m.Revoked(jti(first + n)) {
				t.Errorf("revocation %d is kept for good", n)
			}
		}
	})
}

// A clock that is ahead for a while does not bring revoked tokens back, and what is
// known grows old by the clock that says more.
func TestAClockThatIsSetForgetsNoRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, c := &revoking{}, clocktest.Running()
		m := snapshot.New(c.Now)
		if err := m.Load(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go m.Follow(ctx, snapshot.Feed{ // returns nil
			Source: source, Wake: make(chan struct{}), Poll: time.Second, Logger: slog.New(slog.DiscardHandler),
			Changed: func(context.Context, map[market.Kind]bool) {},
		})
		time.Sleep(2 * time.Hour) // by now what has ended is forgotten
		revoked := m.Head() + 1
		source.seq.Store(revoked)
		time.Sleep(2 * time.Second)
		c.Step(5 * time.Hour)
		time.Sleep(10 * time.Minute)
		c.Step(-5 * time.Hour)
		time.Sleep(10 * time.Minute)
		if !m.Revoked(jti(revoked)) {
			t.Error("the token is good again")
		}
		time.Sleep(2 * time.Hour)
		if m.Revoked(jti(revoked)) {
			t.Error("it is kept for good")
		}
		cancel()
		synctest.Wait()
		before := m.Age()
		c.Step(-time.Hour)
		time.Sleep(time.Minute)
		if age := m.Age(); age != before+time.Minute {
			t.Errorf("after a step back and a minute the age is %v, was %v", age, before)
		}
		c.Step(2 * time.Hour)
		if age := m.Age(); age != before+time.Minute+time.Hour {
			t.Errorf("after a step forward the age is %v, was %v", age, before)
		}
	})
}

// flood is a source of n revocations.
type flood struct {
	outage
	n int
}

func (f *flood) Revocations(_ context.Context, _ []string, yield func(market.Revocation) error) error {
	end := time.Now().Add(time.Hour)
	for i := range f.n {
		if err := yield(market.Revocation{JTI: jti(int64(i)), Expires: end}); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkRevocations reports what a live revocation costs in memory.
func BenchmarkRevocations(b *testing.B) {
	const many = 100_000
	var before, after runtime.MemStats
	for b.Loop() {
		m := snapshot.New(time.Now)
		runtime.GC()
		runtime.ReadMemStats(&before)
		if err := m.Load(b.Context(), &flood{n: many}); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/many, "B/revocation")
		runtime.KeepAlive(m)
	}
}
