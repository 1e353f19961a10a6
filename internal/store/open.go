package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sallyport-dev/sallyport/internal/market"
)

// Open opens the database that config names, brings its schema up to date, and
// starts to listen for other nodes. What goes wrong is a [market.Error] of code
// Unavailable, for the operator: Public names the file or the host, Hint says
// what to do next, and neither holds a password.
func Open(ctx context.Context, config Config) (*Store, error) {
	s := &Store{now: config.Now, logger: config.Logger}
	if s.now == nil {
		s.now = time.Now //nolint:forbidigo // the default clock
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	var err error
	switch postgres := config.Postgres.Reveal(); {
	case (config.SQLite == "") == (postgres == ""):
		err = refuse("give exactly one place for the data", "a path for SQLite, or a URL of PostgreSQL")
	case config.SQLite != "":
		err = s.openSQLite(ctx, config.SQLite)
	default:
		err = s.openPostgres(ctx, background, postgres)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return s, nil
}

// refuse is an error for who starts the program.
func refuse(what, next string) *market.Error {
	return &market.Error{Code: market.Unavailable, Public: what, Hint: next}
}

// openSQLite opens the file at path with one connection that writes and some
// that read.
func (s *Store) openSQLite(ctx context.Context, path string) error {
	path, err := filepath.Abs(path) // whatever becomes of the working directory
	if err != nil {
		return refuse("cannot tell where the database file "+path+" is: "+reason(err), "give its whole path")
	}
	if err := createPrivate(path); err != nil {
		return refuse("cannot open the database file "+path+": "+reason(err),
			"let this user write to the file and to its directory, or give another path")
	}
	s.engine = sqliteEngine()
	if s.writer, err = sqlitePool(path, sqliteWriter, 1); err != nil {
		return fmt.Errorf("store: open %s: %s", path, err.Error()) // no %w: the type stays here
	}
	if err := s.checkSQLite(ctx, path); err != nil {
		_ = s.writer.Close()
		return err
	}
	if err := s.migrate(ctx, s.writer, "database file "+path); err != nil {
		_ = s.writer.Close()
		return err
	}
	if s.readers, err = sqlitePool(path, sqliteReader, max(4, runtime.NumCPU())); err != nil {
		_ = s.writer.Close()
		return fmt.Errorf("store: open %s: %s", path, err.Error()) // no %w: the type stays here
	}
	return nil
}

// Parameters of the connections. They stand in the name, so that they hold for
// every connection that the pool ever makes. FULL: what was acknowledged is on
// disk. The wait for a lock is for other processes; here one writes at a time.
const (
	sqliteWriter = "_txlock=immediate&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_busy_timeout=5000" +
		"&_dqs=0&_error_rc=1&_pragma=journal_size_limit(67108864)"
	sqliteReader = "_query_only=1&_busy_timeout=5000&_dqs=0&_error_rc=1"
)

func sqlitePool(path, parameters string, size int) (*sql.DB, error) {
	file := filepath.ToSlash(path)
	if !strings.HasPrefix(file, "/") {
		file = "/" + file // a drive letter
	}
	name := url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: parameters}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}

// createPrivate makes the file if it is not there. Its companions (-wal, -shm)
// take their mode from it. A file that is there is not opened: closing it again
// would take away the locks that SQLite holds on it in this process.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) //nolint:gosec // the operator's path
	if errors.Is(err, fs.ErrExist) {
		info, err := os.Stat(path)
		if err == nil && info.IsDir() {
			return errors.New("it is a directory")
		}
		return err
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// reason is the part of a file system's error that does not repeat the path.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return err.Error()
}

// Turning the write-ahead log on, and reading past one that is being turned on,
// fail at once while another process does: the busy timeout does not cover it.
const (
	openAttempts = 100
	openPause    = 50 * time.Millisecond
)

// checkSQLite makes sure that the file is a sound database of ours, or empty.
func (s *Store) checkSQLite(ctx context.Context, path string) error {
	ctx = context.WithoutCancel(ctx)
	for attempt := 1; ; attempt++ {
		err := s.checkSQLiteOnce(ctx, path)
		if attempt == openAttempts || !errors.Is(err, errBusy) {
			return err
		}
		time.Sleep(openPause)
	}
}

// errBusy stands for another process that keeps the file locked.
var errBusy = errors.New("locked")

func (s *Store) checkSQLiteOnce(ctx context.Context, path string) error {
	var state, mode string
	err := s.writer.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&state)
	if err == nil {
		err = s.writer.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode)
	}
	var tables, ours int
	if err == nil {
		err = s.writer.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(CASE WHEN name = 'goose_db_version' THEN 1 END)
			FROM sqlite_master WHERE type = 'table'`).Scan(&tables, &ours)
	}
	switch {
	case err != nil:
		return refuseSQLite(path, err)
	case state != "ok":
		return damaged(path)
	case mode != "wal":
		return refuse("the database file "+path+" cannot have a write-ahead log there", "put it on a local disk")
	case tables > 0 && ours == 0:
		return refuse("the file "+path+" is a database of another program", "give another path")
	}
	return nil
}

func damaged(path string) error {
	return refuse("the database file "+path+" is damaged", "stop, keep a copy of it, and restore the last backup")
}

// refuseSQLite says why the file cannot be opened.
func refuseSQLite(path string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB:
			return refuse("the file "+path+" is not an SQLite database", "give another path, or restore the last backup")
		case sqlite3.SQLITE_CORRUPT:
			return damaged(path)
		case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
			return refuse("cannot write to the database file "+path+" and its directory",
				"let this user write to both, or give another path")
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			locked := refuse("another process keeps the database file "+path+" locked", "stop it, or give another path")
			locked.Err = errBusy
			return locked
		}
	}
	return refuse("cannot open the database file "+path+": "+err.Error(), "see that the disk is sound and not full")
}

// postgresSize is how many connections a node holds at most, the listener's not
// counted. The hot paths need none.
const postgresSize = 10

// openPostgres connects to the server that text names and begins to listen.
func (s *Store) openPostgres(ctx, background context.Context, text string) error {
	config, err := pgx.ParseConfig(text)
	if err != nil { // its text may hold parts of the password
		return refuse("the URL of PostgreSQL cannot be read", "it looks like postgres://user:password@host:5432/database")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 10 * time.Second
	}
	config.RuntimeParams = withDefaults(config.RuntimeParams)
	s.engine = postgresEngine()
	s.writer = stdlib.OpenDB(*config)
	s.writer.SetMaxOpenConns(postgresSize)
	s.writer.SetMaxIdleConns(postgresSize)
	s.writer.SetConnMaxIdleTime(5 * time.Minute)
	s.readers = s.writer
	place := fmt.Sprintf("database %q on PostgreSQL at %s", config.Database, address(config))
	if err := s.writer.PingContext(ctx); err != nil {
		_ = s.writer.Close()
		return refusePostgres(place, config.User, err)
	}
	if err := s.migrate(ctx, s.writer, place); err != nil {
		_ = s.writer.Close()
		return err
	}
	s.running.Go(func() { s.listen(background, config.Copy()) })
	return nil
}

// withDefaults bounds what a node can do to the others while it holds the lock
// of the feed, or waits for it. What the URL sets stays.
func withDefaults(parameters map[string]string) map[string]string {
	defaults := map[string]string{
		"application_name":                    "sallyport",
		"lock_timeout":                        "10s",
		"statement_timeout":                   "30s",
		"idle_in_transaction_session_timeout": "30s",
	}
	for name, value := range parameters {
		defaults[name] = value
	}
	return defaults
}

func address(config *pgx.ConnConfig) string {
	if strings.HasPrefix(config.Host, "/") {
		return config.Host
	}
	return net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
}

// refusePostgres says why the server cannot be used.
func refusePostgres(place, user string, err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch {
		case strings.HasPrefix(e.Code, "28"):
			return refuse(fmt.Sprintf("%s does not let user %q in", place, user), "check the password in the URL, and pg_hba.conf")
		case e.Code == "3D000":
			return refuse("there is no "+place, "create it, or correct the URL")
		}
		return refuse(place+" cannot be used: "+e.Message, "see the server's log")
	}
	return refuse(place+" cannot be reached: "+lastCause(err), "see that the server runs and that the URL is right")
}

// lastCause is the innermost error's text: what is around it names the user and
// every address that was tried.
func lastCause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		err = next
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
