package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrations are numbered pairs, one of each engine, forward only. One that was
// released is never changed: a schema is mended by the next.
//
//go:embed migrations/*/*.sql
var migrations embed.FS

// migrate brings the schema of the database at place up to date. Several nodes
// may start at once.
func (s *Store) migrate(ctx context.Context, db *sql.DB, place string) error {
	files, err := fs.Sub(migrations, "migrations/"+s.engine.name)
	if err != nil {
		return fmt.Errorf("store: read the migrations: %w", err)
	}
	provider, err := goose.NewProvider(s.engine.dialect, db, files,
		goose.WithSlog(s.logger), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("store: read the migrations: %w", err)
	}
	sources := provider.ListSources()
	have, want := schemaVersion(ctx, db), sources[len(sources)-1].Version
	if have < want {
		if err := s.migrateUp(ctx, db, provider); err != nil {
			return refuse("cannot bring the "+place+" up to date: "+err.Error(), "nothing is half done; mend that and start again")
		}
		s.logger.InfoContext(ctx, "the schema of the store is up to date", slog.Int64("from", have), slog.Int64("to", want))
	}
	if have > want {
		return refuse(
			fmt.Sprintf("the %s was written by a newer Sallyport: its schema is version %d, and this program knows %d", place, have, want),
			"start the newer program, or restore the backup made before it ran")
	}
	return nil
}

// schemaVersion is the newest migration that was run, and 0 before the first.
// It asks without a lock, so that a node that has nothing to migrate starts
// even if another died while it held the lock.
func schemaVersion(ctx context.Context, db *sql.DB) (version int64) {
	err := db.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version`).Scan(&version)
	if err != nil {
		return 0 // no such table; if it is worse than that, migrating says so
	}
	return version
}

// migrateAttempts is more than there are processes that start at once.
const migrateAttempts = 10

// migrateUp runs what was not run yet, one node at a time.
func (s *Store) migrateUp(ctx context.Context, db *sql.DB, provider *goose.Provider) (err error) {
	if s.engine.lock {
		// A row of a table, not an advisory lock, which poolers and the
		// databases that only speak PostgreSQL's protocol lose. Not given to
		// goose, which would make its own table before it locks.
		locker, err := lock.NewPostgresTableLocker(lock.WithTableLogger(s.logger),
			lock.WithTableLockTimeout(200*time.Millisecond, 1500))
		if err != nil {
			return err
		}
		if err := locker.Lock(ctx, db); err != nil {
			return err
		}
		defer func() {
			if unlock := locker.Unlock(ctx, db); err == nil {
				err = unlock
			}
		}()
	}
	// On SQLite two processes that start at once collide: the second fails, and
	// finds everything made when it tries again.
	for attempt := 1; ; attempt++ {
		if _, err = provider.Up(ctx); err == nil || attempt == migrateAttempts {
			return err
		}
		time.Sleep(openPause)
	}
}
