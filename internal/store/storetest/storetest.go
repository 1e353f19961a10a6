// Package storetest opens stores for tests: on SQLite in a temporary file, and
// on a real PostgreSQL.
//
// PostgreSQL is the server that SALLYPORT_TEST_POSTGRES names (a URL whose user
// may create databases), or else a private one that is started from installed
// binaries, once per test process, and lives exactly as long as the process.
// Every test gets a database of its own; on the private server it is copied from
// a migrated template, because that takes a tenth of migrating. If
// there is neither server nor binaries, tests skip; with CI=true they fail.
//
// It does not fake anything: what passes here ran on the real engines.
package storetest

import (
	"path/filepath"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// Run runs test on a fresh store of every engine.
func Run(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	Each(t, func(t *testing.T, config store.Config) {
		t.Helper()
		test(t, OpenConfig(t, config))
	})
}

// Each runs test with the configuration of a fresh database of every engine,
// for tests that open it themselves, several times or with a clock of theirs.
func Each(t *testing.T, test func(t *testing.T, config store.Config)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { test(t, store.Config{SQLite: SQLite(t)}) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, store.Config{Postgres: secret.New(Postgres(t))}) })
}

// Open opens a fresh store on SQLite, for tests of what stands above it.
func Open(t testing.TB) *store.Store {
	t.Helper()
	return OpenConfig(t, store.Config{SQLite: SQLite(t)})
}

// OpenConfig opens a store and closes it when the test ends.
func OpenConfig(t testing.TB, config store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), config)
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// SQLite returns the path of a database file that is not there yet.
func SQLite(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "sallyport.db")
}
