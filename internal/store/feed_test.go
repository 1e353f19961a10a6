package store_test

import (
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/snapshot"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// feed makes one change that feeds key, or none for "".
func feed(t testing.TB, s *store.Store, key string) {
	t.Helper()
	err := s.Update(t.Context(), operator, func(tx market.Tx) error {
		change := market.Change{Action: "test", Kind: market.KindOrg, ID: key}
		if key != "" {
			change.Feed, change.FeedKey = market.KindApp, key
		}
		return tx.Record(change)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func headOf(t testing.TB, s *store.Store) int64 {
	t.Helper()
	head, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func TestTheFeedHoldsWhatWasFedInOrder(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		same(t, int64(0), headOf(t, s))
		for _, key := range []string{"a", "", "b", ""} {
			feed(t, s, key)
		}
		same(t, int64(3), headOf(t, s))
		same(t, []snapshot.Entry{{Seq: 1, Kind: market.KindApp, Key: "a"}, {Seq: 3, Kind: market.KindApp, Key: "b"}}, changes(t, s, 0))
		for _, tt := range []struct {
			after int64
			limit int
			want  []int64
		}{{0, 1, []int64{1}}, {1, 10, []int64{3}}, {2, 10, []int64{3}}, {3, 10, nil}, {4, 10, nil}} {
			entries, err := s.Changes(t.Context(), tt.after, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, e := range entries {
				got = append(got, e.Seq)
			}
			same(t, tt.want, got)
		}
	})
}

func TestAReaderAheadOfTheFeedHasToStartOver(t *testing.T) {
	storetest.Run(t, func(t *testing.T, s *store.Store) {
		feed(t, s, "a")
		if _, err := s.Changes(t.Context(), 2, 10); !errors.Is(err, snapshot.ErrPruned) {
			t.Errorf("got %v, want ErrPruned: the store was set back", err)
		}
	})
}

func TestPruningTheFeedKeepsTheYoungAndTheNewest(t *testing.T) {
	for _, tt := range []struct {
		name string
		keep store.Retention
		want int64 // the oldest reader that need not start over
	}{
		{"nothing is asked", store.Retention{}, 0},
		{"all are young", store.Retention{Feed: 24 * time.Hour}, 0},
		{"some are old", store.Retention{Feed: 150 * time.Minute}, 5}, // 3:10 is older, 2:10 is not
		{"all are old", store.Retention{Feed: time.Minute}, 9},
		{"all are old, but the newest stay", store.Retention{Feed: time.Minute, FeedKeep: 2}, 5},
		{"the newest are all there is", store.Retention{Feed: time.Minute, FeedKeep: 100}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, config store.Config) {
				now := noon
				config.Now = func() time.Time { return now }
				s := storetest.OpenConfig(t, config)
				for i := range 5 { // entries 1, 3, 5, 7, 9, an hour apart; records between
					now = noon.Add(time.Duration(i) * time.Hour)
					feed(t, s, strconv.Itoa(i))
					feed(t, s, "")
				}
				now = noon.Add(5*time.Hour + 10*time.Minute) // the entries are 5:10, 4:10, 3:10, 2:10 and 1:10 old
				for range 2 {                                // twice is once
					if err := s.Prune(t.Context(), tt.keep); err != nil {
						t.Fatal(err)
					}
				}
				for after := range int64(11) {
					entries, err := s.Changes(t.Context(), after, 100)
					if after < tt.want {
						if !errors.Is(err, snapshot.ErrPruned) {
							t.Errorf("after %d: got %v, %v, want ErrPruned", after, entries, err)
						}
						continue
					}
					if want := int((10 - after) / 2); err != nil || len(entries) != want {
						t.Errorf("after %d: got %v, %v, want %d entries", after, entries, err, want)
					}
				}
				same(t, int64(9), headOf(t, s))
				feed(t, s, "next")
				same(t, int64(11), headOf(t, s))
			})
		})
	}
}

func TestPruningForgetsRevocationsOfTokensThatHaveEnded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		now := noon
		config.Now = func() time.Time { return now }
		s := storetest.OpenConfig(t, config)
		update(t, s, func(tx market.Tx) error {
			return first(tx.AddRevocation(market.Revocation{JTI: "short", Expires: noon.Add(time.Hour), Created: noon}),
				tx.AddRevocation(market.Revocation{JTI: "long", Expires: noon.Add(2 * time.Hour), Created: noon}))
		})
		now = noon.Add(time.Hour)
		if err := s.Prune(t.Context(), store.Retention{}); err != nil {
			t.Fatal(err)
		}
		now = noon
		same(t, []market.Revocation{{JTI: "long", Expires: noon.Add(2 * time.Hour), Created: noon}}, revocations(t, s, nil))
	})
}

func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestAChangeThatFeedsWakesEveryReaderOfItsNode(t *testing.T) {
	s := storetest.Open(t)
	one, stopOne := s.Wake()
	two, stopTwo := s.Wake()
	defer stopTwo()
	feed(t, s, "a")
	feed(t, s, "b") // told as one
	if !woken(one) || !woken(two) || woken(one) {
		t.Error("want both woken, once")
	}
	feed(t, s, "")
	if woken(one) {
		t.Error("woken, but nothing was fed")
	}
	if err := tryUpdate(t.Context(), s, func(market.Tx) error { return errors.New("sad") }); err == nil || woken(one) {
		t.Error("woken by a change that failed")
	}
	stopOne()
	feed(t, s, "c")
	if woken(one) || !woken(two) {
		t.Error("want only those that did not stop woken")
	}
}

func TestAnotherNodeIsWokenByNotify(t *testing.T) {
	config := store.Config{Postgres: secret.New(storetest.Postgres(t))}
	here, there := storetest.OpenConfig(t, config), storetest.OpenConfig(t, config)
	c, stop := there.Wake()
	defer stop()
	eventually(t, "the node listens", func() bool {
		feed(t, here, "x")
		return woken(c)
	})

	// Every entry is announced: the node is woken and finds it.
	last := headOf(t, there)
	for i := range 20 {
		feed(t, here, strconv.Itoa(i))
		eventually(t, "the node is woken and sees the entry", func() bool {
			if !woken(c) {
				return false
			}
			for _, e := range changes(t, there, last) {
				last = e.Seq
				if e.Key == strconv.Itoa(i) {
					return true
				}
			}
			return false
		})
	}
}

func TestANodeListensAgainAfterItsConnectionWasLost(t *testing.T) {
	dsn := storetest.Postgres(t)
	config := store.Config{Postgres: secret.New(dsn)}
	here, there := storetest.OpenConfig(t, config), storetest.OpenConfig(t, config)
	c, stop := there.Wake()
	defer stop()
	listening := func() bool {
		feed(t, here, "x")
		return woken(c)
	}
	eventually(t, "the node listens", listening)

	admin, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	_, err = admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'`)
	if err != nil {
		t.Fatal(err)
	}
	for woken(c) { // what was still to be told
	}
	var again atomic.Int32
	eventually(t, "the node listens again", func() bool {
		if listening() {
			again.Add(1)
		}
		return again.Load() > 3
	})
}

func TestTheLogTellsOnceThatNothingIsHeardOfOthers(t *testing.T) {
	dsn := storetest.Postgres(t)
	var log logged
	there := storetest.OpenConfig(t, store.Config{Postgres: secret.New(dsn), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	c, stop := there.Wake()
	defer stop()
	eventually(t, "the node listens", func() bool {
		feed(t, there, "x")
		return woken(c)
	})
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := pgx.Identifier{config.Database}.Sanitize()
	config.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	allow := func(yes string) {
		if _, err := admin.Exec(t.Context(), "ALTER DATABASE "+name+" ALLOW_CONNECTIONS "+yes); err != nil {
			t.Fatal(err)
		}
	}
	allow("false")
	_, cut := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, strings.Trim(name, `"`))
	eventually(t, "it has tried again", func() bool { return log.count("level=DEBUG msg=\"stopped hearing") > 1 })
	allow("true")
	eventually(t, "it hears again", func() bool { return log.count("level=INFO msg=\"hearing of other") == 1 })
	if n := log.count("level=WARN msg=\"stopped hearing"); n != 1 || cut != nil {
		t.Errorf("told %d times: %v", n, cut)
	}
}

// logged is a log that is read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), part)
}

func TestAStoreOutlivesTheLossOfItsConnections(t *testing.T) {
	dsn := storetest.Postgres(t)
	s := storetest.OpenConfig(t, store.Config{Postgres: secret.New(dsn)})
	feed(t, s, "a")
	admin, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	err = s.Update(t.Context(), operator, func(tx market.Tx) error {
		_, err := admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		return first(err, tx.Record(market.Change{Action: "lost", Kind: market.KindOrg}))
	})
	if !errors.Is(err, market.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	eventually(t, "the store works again", func() bool {
		return s.Ping(t.Context()) == nil && tryUpdate(t.Context(), s, func(market.Tx) error { return nil }) == nil
	})
}
