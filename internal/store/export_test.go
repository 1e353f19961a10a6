package store

import (
	"database/sql"
	"testing"
)

// WriterSetting returns a PRAGMA of the connection that writes.
func WriterSetting(t *testing.T, s *Store, name string) string { return setting(t, s.writer, name) }

// ReaderSetting returns a PRAGMA of a connection that reads.
func ReaderSetting(t *testing.T, s *Store, name string) string { return setting(t, s.readers, name) }

func setting(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
