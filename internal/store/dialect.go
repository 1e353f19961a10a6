package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// engine is what differs between the two, beyond the text of the migrations
// (types, COLLATE "C" against STRICT) and how a database is opened (open.go).
// There are five differences:
//
//  1. the migrations that are run, and goose's dialect for them
//  2. PostgreSQL needs a lock around migrations; SQLite's file is one
//  3. the codes of errors
//  4. PostgreSQL tells other nodes of a change
//  5. SQLite's statements are never interrupted: the driver has a history of
//     connections that stay interrupted, and a read takes milliseconds
type engine struct {
	name        string // of the directory under migrations
	dialect     goose.Dialect
	lock        bool
	fault       func(error) fault
	notify      string // statement that wakes the other nodes; empty: there are none
	uncancelled bool
	numbered    bool // placeholders of many rows have numbers
}

// channel is the name that nodes listen on.
const channel = "sallyport_changes"

func sqliteEngine() *engine {
	return &engine{name: "sqlite", dialect: goose.DialectSQLite3, fault: sqliteFault, uncancelled: true}
}

func postgresEngine() *engine {
	return &engine{
		name: "postgres", dialect: goose.DialectPostgres, lock: true, fault: postgresFault, numbered: true,
		notify: "SELECT pg_notify('" + channel + "', '')",
	}
}

// fault is what a driver's error means.
type fault struct {
	kind       faultKind
	constraint string // for faultUnique, by PostgreSQL's naming
}

type faultKind int

const (
	faultOther   faultKind = iota
	faultUnique            // a key is taken
	faultForeign           // what is referred to does not exist
	faultAgain             // the transaction would pass if it were run again
	faultAway              // the database cannot be had: gone, full, overloaded
)

// sqliteFault reads modernc.org/sqlite's errors.
func sqliteFault(err error) fault {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return connectionFault(err)
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return fault{faultUnique, uniqueName(e.Error(), "_key")}
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return fault{faultUnique, uniqueName(e.Error(), "_pkey")}
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fault{kind: faultForeign}
	}
	switch e.Code() & 0xff { // the primary code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault{kind: faultAgain}
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault{kind: faultAway}
	}
	return fault{}
}

// uniqueName makes of "… UNIQUE constraint failed: apps.org, apps.name (2067)"
// the name that PostgreSQL gives to such a constraint, apps_org_name_key.
// SQLite tells the columns, and never a name.
func uniqueName(text, suffix string) string {
	_, columns, _ := strings.Cut(text, "UNIQUE constraint failed: ")
	columns, _, _ = strings.Cut(columns, " (")
	table, _, _ := strings.Cut(columns, ".")
	if suffix == "_pkey" {
		return table + suffix
	}
	return table + "_" + strings.ReplaceAll(strings.ReplaceAll(columns, table+".", ""), ", ", "_") + suffix
}

// postgresFault reads pgx's errors. The codes are of PostgreSQL's appendix A.
func postgresFault(err error) fault {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return connectionFault(err)
	}
	switch e.Code {
	case "23505":
		return fault{faultUnique, e.ConstraintName}
	case "23503":
		return fault{kind: faultForeign}
	case "40001", "40P01": // serialization failure, deadlock
		return fault{kind: faultAgain}
	case "55P03", "57014", "25006", "3D000": // lock or statement timed out; a standby; no such database
		return fault{kind: faultAway}
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08", "28", "53", "57", "58": // connection, authorization, resources, operator intervention, system
		return fault{kind: faultAway}
	}
	return fault{}
}

// connectionFault reads the errors that both drivers take from the network and
// from database/sql.
func connectionFault(err error) fault {
	var network net.Error
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &network), errors.As(err, &connect),
		errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, driver.ErrBadConn),
		errors.Is(err, sql.ErrConnDone), errors.Is(err, sql.ErrTxDone),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		pgconn.SafeToRetry(err),
		err != nil && err.Error() == "sql: database is closed": // database/sql has no sentinel for it
		return fault{kind: faultAway}
	}
	return fault{}
}
