package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/market"
	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// doesNotOpen fails the test if config opens, or if the refusal is not one line
// that holds wants, with a hint.
func doesNotOpen(t *testing.T, config store.Config, wants ...string) {
	t.Helper()
	s, err := store.Open(t.Context(), config)
	if err == nil {
		_ = s.Close()
		t.Fatal("it opened")
	}
	var m *market.Error
	if !errors.As(err, &m) || m.Code != market.Unavailable || m.Hint == "" || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %#v, want one line of code unavailable with a hint", err)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to say %q", err, want)
		}
	}
	holdsNoDriverError(t, err)
}

// raw runs statements on the database behind the store's back.
func raw(t *testing.T, config store.Config, statements ...string) {
	t.Helper()
	driver, name := "sqlite", config.SQLite
	if name == "" {
		driver, name = "pgx", config.Postgres.Reveal()
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

func TestAStoreOpensAgainWithWhatItHeld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		s, err := store.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = storetest.OpenConfig(t, config)
		view(t, s, func(r market.Reader) error {
			_, err := r.Org("org_a")
			return err
		})
		same(t, int64(1), headOf(t, s))
	})
}

func TestFilesAreReadableByTheirOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name?with#signs%20.db")
	s := storetest.OpenConfig(t, store.Config{SQLite: path})
	update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s: mode %o, want 600", info.Name(), info.Mode())
		}
	}
}

func TestARelativePathStaysWhereItWas(t *testing.T) {
	t.Chdir(t.TempDir())
	s := storetest.OpenConfig(t, store.Config{SQLite: "here.db"})
	t.Chdir(t.TempDir())
	update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
	view(t, s, func(r market.Reader) error {
		_, err := r.Org("org_a")
		return err
	})
	if _, err := os.Stat("here.db"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want nothing in the new directory", err)
	}
}

func TestNeitherOrBothPlacesAreRefused(t *testing.T) {
	doesNotOpen(t, store.Config{}, "exactly one place")
	doesNotOpen(t, store.Config{SQLite: "x", Postgres: secret.New("postgres://x")}, "exactly one place")
}

func TestAPathThatCannotBeWrittenIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none", "x.db"), filepath.Join(file, "x.db"), dir} {
		doesNotOpen(t, store.Config{SQLite: path}, "cannot open the database file "+path)
	}
	if os.Geteuid() != 0 { // root may write anywhere
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		doesNotOpen(t, store.Config{SQLite: filepath.Join(closed, "x.db")}, closed, "permission denied")
	}
}

func TestAFileThatIsNoDatabaseIsRefusedAndLeftAlone(t *testing.T) {
	path := storetest.SQLite(t)
	text := bytes.Repeat([]byte("a letter to my mother\n"), 1000)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	doesNotOpen(t, store.Config{SQLite: path}, path, "is not an SQLite database")
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, text) {
		t.Errorf("the file was changed, or cannot be read: %v", err)
	}
}

func TestADatabaseOfAnotherProgramIsRefused(t *testing.T) {
	path := storetest.SQLite(t)
	raw(t, store.Config{SQLite: path}, `CREATE TABLE bookmarks (url TEXT)`)
	doesNotOpen(t, store.Config{SQLite: path}, path, "database of another program")
}

func TestADamagedDatabaseIsRefused(t *testing.T) {
	path := storetest.SQLite(t)
	s, err := store.Open(t.Context(), store.Config{SQLite: path})
	if err != nil {
		t.Fatal(err)
	}
	update(t, s, func(tx market.Tx) error {
		for i := range 2000 {
			if err := tx.PutOrg(org(strings.Repeat("x", i%50) + string(rune('a'+i%26)))); err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"pages overwritten": func(b []byte) []byte {
			for at := 3 * 4096; at+4096 <= len(b); at += 3 * 4096 {
				copy(b[at:], bytes.Repeat([]byte{0xa5}, 2048))
			}
			return b
		},
		"cut short": func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, damage(bytes.Clone(sound)), 0o600); err != nil {
				t.Fatal(err)
			}
			doesNotOpen(t, store.Config{SQLite: path}, path, "is damaged")
		})
	}
}

func TestADatabaseOfANewerVersionIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		s, err := store.Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		raw(t, config, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
		doesNotOpen(t, config, "newer Sallyport", "version 9999")
	})
}

func TestAPostgresThatCannotBeUsedIsRefusedWithoutItsPassword(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, tt := range []struct {
		url  string
		want []string
	}{
		{"postgres://bob:hunter2@127.0.0.1:1/market", []string{`"market"`, "127.0.0.1:1", "cannot be reached", "refused"}},
		{"postgres://bob:hunter2@127.0.0.1:notaport/market", []string{"URL of PostgreSQL cannot be read"}},
		{"host=127.0.0.1 port=1 user=bob password=hunter2 dbname=market", []string{"127.0.0.1:1"}},
		{"hunter2", []string{"URL of PostgreSQL cannot be read"}},
	} {
		config := store.Config{Postgres: secret.New(tt.url), Logger: logger}
		doesNotOpen(t, config, tt.want...)
		if _, err := store.Open(t.Context(), config); strings.Contains(err.Error(), "hunter2") || strings.Contains(log.String(), "hunter2") {
			t.Errorf("the password is in %q or in the log:\n%s", err, log.String())
		}
	}
}

func TestADatabaseThatIsNotThereIsNamed(t *testing.T) {
	dsn := storetest.Postgres(t)
	missing := strings.Replace(dsn, "/sallyport_test_", "/no_", 1)
	doesNotOpen(t, store.Config{Postgres: secret.New(missing)}, `there is no database "no_`)
	stranger := strings.Replace(dsn, "postgres@", "stranger@", 1)
	if stranger != dsn {
		doesNotOpen(t, store.Config{Postgres: secret.New(stranger)}, `does not let user "stranger" in`)
	}
}

func TestManyNodesMayStartAtOnceOnAnEmptyDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, config store.Config) {
		if config.SQLite == "" {
			raw(t, config, `DROP SCHEMA public CASCADE`, `CREATE SCHEMA public`)
		}
		var all sync.WaitGroup
		nodes := make([]*store.Store, 5)
		for i := range nodes {
			all.Go(func() {
				s, err := store.Open(context.Background(), config)
				if err != nil {
					t.Errorf("open: %v", err)
				}
				nodes[i] = s
			})
		}
		all.Wait()
		for i, s := range nodes {
			if s == nil {
				continue
			}
			update(t, s, func(tx market.Tx) error { return tx.PutOrg(org(string(rune('a' + i)))) })
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
		s := storetest.OpenConfig(t, config)
		same(t, len(nodes), len(orgs(t, s, "")))
	})
}

func TestACloseLeavesNoGoroutineAndNoConnection(t *testing.T) {
	dsn := storetest.Postgres(t)
	before := runtime.NumGoroutine()
	for range 3 {
		s, err := store.Open(t.Context(), store.Config{Postgres: secret.New(dsn)})
		if err != nil {
			t.Fatal(err)
		}
		update(t, s, func(tx market.Tx) error { return tx.PutOrg(org("a")) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "its goroutines end", func() bool { return runtime.NumGoroutine() <= before })
	admin, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	eventually(t, "its connections end", func() bool {
		var n int
		err := admin.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'sallyport'`).Scan(&n)
		return err == nil && n == 0
	})
}

func TestEveryConnectionOfSQLiteHasItsSettings(t *testing.T) {
	s := storetest.Open(t)
	for setting, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
	} {
		same(t, want, store.WriterSetting(t, s, setting))
	}
	same(t, "1", store.ReaderSetting(t, s, "query_only"))
	same(t, "5000", store.ReaderSetting(t, s, "busy_timeout"))
}
