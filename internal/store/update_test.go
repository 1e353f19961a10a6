package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/id"
	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// nothingHappened fails the test if the store holds org_a, an audit record or
// an entry of the feed.
func nothingHappened(t *testing.T, s *store.Store) {
	t.Helper()
	view(t, s, func(r market.Reader) error {
		_, err := r.Org("org_a")
		refused(t, err, market.NotFound, `there is no organization "org_a"`)
		records, _, err := r.Audit(market.AuditFilter{})
		if len(records) != 0 {
			t.Errorf("the audit holds %v", records)
		}
		return err
	})
	if entries := changes(t, s, 0); len(entries) != 0 {
		t.Errorf("the feed holds %v", entries)
	}
}

func TestAFailingChangeLeavesNothing(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		sad := errors.New("sad")
		err := s.Update(t.Context(), operator, func(tx market.Tx) error {
			return first(tx.PutOrg(org("a")),
				tx.Record(market.Change{Action: "create", Kind: market.KindOrg, Feed: market.KindOrg, FeedKey: "org_a"}), sad)
		})
		if !errors.Is(err, sad) {
			t.Errorf("got %v, want the change's own error", err)
		}
		nothingHappened(t, s)
	})
}

func TestAPanickingChangeLeavesNothingAndTheStoreUsable(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		func() {
			defer func() { _ = recover() }()
			_ = tryUpdate(t.Context(), s, func(tx market.Tx) error {
				_ = tx.PutOrg(org("a"))
				panic("bug")
			})
		}()
		nothingHappened(t, s)
		update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
	})
}

func TestAChangeThatRecordsNothingIsRefused(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		err := s.Update(t.Context(), operator, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
		if err == nil || !strings.Contains(err.Error(), "recorded nothing") {
			t.Errorf("got %v, want a refusal", err)
		}
		nothingHappened(t, s)
		err = s.Update(t.Context(), operator, func(tx market.Tx) error { return tx.Record(market.Change{ID: "x"}) })
		if err == nil || !strings.Contains(err.Error(), "without its action or kind") {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

// PostgreSQL ends a transaction at the first statement that fails. A change
// that overlooks an error must not pass on SQLite either.
func TestAChangeCannotOverlookAStatementThatFailed(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		err := tryUpdate(t.Context(), s, func(tx market.Tx) error {
			_ = tx.PutApp(app(org("nobody"), "a"))
			_ = tx.PutOrg(org("a"))
			return nil
		})
		refused(t, err, market.NotFound, `there is no organization "org_nobody"`)
		nothingHappened(t, s)
	})
}

func TestChangesOfManyGoroutinesRunOneAfterAnother(t *testing.T) {
	const writers, each = 8, 15
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
		start := int64(1)

		// A reader polls from the beginning to the end and must see every
		// entry, once, in order.
		done := make(chan struct{})
		var seen []snapshot.Entry
		var reader sync.WaitGroup
		reader.Go(func() {
			after := start
			for last := false; ; {
				entries, err := s.Changes(context.Background(), after, 3)
				if err != nil {
					t.Errorf("changes: %v", err)
					return
				}
				seen = append(seen, entries...)
				if len(entries) > 0 {
					after = entries[len(entries)-1].Seq
				} else if last {
					return
				}
				select {
				case <-done:
					last = len(entries) == 0
				default:
				}
			}
		})
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for range each {
					// Reads, adds one, writes: lost unless changes exclude each other.
					err := s.Update(context.Background(), operator, func(tx market.Tx) error {
						o, err := tx.Org("org_a")
						if err != nil {
							return err
						}
						o.NotBefore++
						change := market.Change{Action: "count", Kind: market.KindOrg, ID: "org_a"}
						unfed := tx.Record(change) // takes a number without an entry
						change.Feed, change.FeedKey = market.KindOrg, strconv.FormatInt(o.NotBefore, 10)
						return first(unfed, tx.PutOrg(o), tx.Record(change))
					})
					if err != nil {
						t.Errorf("update: %v", err)
					}
				}
			})
		}
		all.Wait()
		close(done)
		reader.Wait()

		var want []snapshot.Entry
		for i := int64(1); i <= writers*each; i++ {
			want = append(want, snapshot.Entry{Seq: start + 2*i, Kind: market.KindOrg, Key: strconv.FormatInt(i, 10)})
		}
		same(t, want, seen)
		view(t, s, func(r market.Reader) error {
			o, err := r.Org("org_a")
			same(t, int64(writers*each), o.NotBefore)
			return err
		})
	})
}

func TestACancelledChangeHappensWholeOrNotAtAll(t *testing.T) {
	const writers, each = 4, 25
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		var mu sync.Mutex
		acknowledged := map[string]bool{}
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					name := fmt.Sprintf("%d_%d", w, i)
					ctx, cancel := context.WithCancel(context.Background())
					if i%5 != 0 { // some before, some while it waits or runs, some after
						time.AfterFunc(time.Duration(i)*200*time.Microsecond, cancel)
					}
					err := tryUpdate(ctx, s, func(tx market.Tx) error {
						return first(tx.PutOrg(org(name+"_a")), tx.PutOrg(org(name+"_b")))
					})
					cancel()
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("update: %v", err)
					}
					mu.Lock()
					acknowledged[name] = err == nil
					mu.Unlock()
				}
			})
		}
		all.Wait()
		view(t, s, func(r market.Reader) error {
			for name, want := range acknowledged {
				for _, half := range []string{"_a", "_b"} {
					if _, err := r.Org(id.Org("org_" + name + half)); (err == nil) != want {
						t.Errorf("%s%s: acknowledged %v, but reading it gives %v", name, half, want, err)
					}
				}
			}
			return nil
		})
		update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("after")) })
	})
}

func TestACancellationInTheMiddleOfAChangeDoesNotCutIt(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		err := tryUpdate(ctx, s, func(tx market.Tx) error {
			first := tx.PutOrg(org("a"))
			cancel()
			return errors.Join(first, tx.PutOrg(org("b")))
		})
		if err != nil {
			t.Fatal(err)
		}
		view(t, s, func(r market.Reader) error {
			_, err := r.Org("org_b")
			return err
		})
	})
}

func TestAChangeWhoseCallerIsGoneDoesNotBegin(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := tryUpdate(ctx, s, func(market.Tx) error {
			t.Error("the change ran")
			return nil
		})
		if !errors.Is(err, market.Unavailable) {
			t.Errorf("got %v, want unavailable", err)
		}
		nothingHappened(t, s)
	})
}

// PostgreSQL ends one of two transactions that wait for each other. The change
// waits first, so it is the one that is ended, and it must run once more.
func TestAChangeThatTheEngineEndedRunsAgain(t *testing.T) {
	config := store.Config{Postgres: secret.New(storetest.Postgres(t))}
	s := storetest.OpenConfig(t, config)
	update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
	db, err := sql.Open("pgx", config.Postgres.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rival, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rival.Rollback()
	// The engine ends whoever finds the deadlock, and each looks once, so long after
	// it began to wait: the change is the only one that looks in time, and by then
	// the rival waits already.
	if _, err := rival.ExecContext(t.Context(), `SET LOCAL deadlock_timeout = '1h'`); err != nil {
		t.Fatal(err)
	}
	if _, err := rival.ExecContext(t.Context(), `UPDATE organizations SET name = 'rival'`); err != nil {
		t.Fatal(err)
	}
	runs := 0
	started := make(chan struct{})
	goOn := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- tryUpdate(t.Context(), s, func(tx market.Tx) error {
			if runs++; runs == 1 { // holds the feed's lock
				close(started)
				<-goOn
			}
			return tx.PutOrg(org("a"))
		})
	}()
	<-started
	waited := make(chan error, 1)
	go func() {
		_, err := rival.ExecContext(t.Context(), `UPDATE feed_head SET seq = seq`)
		waited <- err
	}()
	eventually(t, "the rival waits for the change", func() bool {
		var waiting int
		err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		return err == nil && waiting > 0
	})
	close(goOn)
	if err := <-waited; err != nil {
		t.Fatalf("the rival was ended: %v", err)
	}
	if err := rival.Commit(); err != nil {
		t.Fatal(err)
	}
	// It may be ended once more, if it comes back before the rival has woken up.
	if err := <-ended; err != nil || runs < 2 {
		t.Errorf("got %v after %d runs, want it to pass at the second or later", err, runs)
	}
	if got := changes(t, s, 0); len(got) != 2 {
		t.Errorf("the feed holds %v, want each change once", got)
	}
}

func TestAViewSeesOneState(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		view(t, s, func(r market.Reader) error {
			if _, err := r.Org("org_a"); !errors.Is(err, market.NotFound) {
				t.Errorf("got %v, want not found", err)
			}
			update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
			if _, err := r.Org("org_a"); !errors.Is(err, market.NotFound) {
				t.Errorf("got %v: the view moved on", err)
			}
			return nil
		})
		view(t, s, func(r market.Reader) error {
			_, err := r.Org("org_a")
			return err
		})
	})
}

// What a crash leaves behind is the files as they are at that moment.
func TestFilesCopiedInTheMiddleOfAChangeOpenWithoutIt(t *testing.T) {
	path := storetest.SQLite(t)
	s := storetest.OpenConfig(t, store.Config{SQLite: path})
	update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("before")) })
	var middle string
	update(t, s, func(tx market.Tx) error {
		err := tx.PutOrg(org("a"))
		for i := range 3000 { // more than the page cache and the log's buffers hold
			o := org(strconv.Itoa(i))
			o.Name = strings.Repeat("x", 2000)
			err = first(err, tx.PutOrg(o))
		}
		middle = copyFiles(t, path)
		return err
	})
	for _, tt := range []struct {
		name, path string
		want       bool
	}{{"in the middle", middle, false}, {"after", copyFiles(t, path), true}} {
		copied := storetest.OpenConfig(t, store.Config{SQLite: tt.path})
		view(t, copied, func(r market.Reader) error {
			_, err := r.Org("org_a")
			if (err == nil) != tt.want {
				t.Errorf("%s: got %v", tt.name, err)
			}
			_, err = r.Org("org_before")
			return err
		})
		update(t, copied, func(tx market.Tx) error { return tx.PutOrg(org("new")) })
	}
}

func copyFiles(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		from, err := os.Open(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		out, err := os.Create(to + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, from); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return to
}
