package store_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// schema is what the two engines must agree on, each item one line.
type schema struct {
	Columns []string // table.column type nullable
	Keys    []string // table(columns), primary or unique
	Indexes []string // table(columns), of those that are not unique
	Foreign []string // table.column → table.column, on delete
	Checks  []string // name
}

func TestBothEnginesHaveTheSameSchema(t *testing.T) {
	lite := store.Config{SQLite: storetest.SQLite(t)}
	pg := store.Config{Postgres: secret.New(storetest.Postgres(t))}
	_, _ = storetest.OpenConfig(t, lite), storetest.OpenConfig(t, pg)
	want, got := sqliteSchema(t, lite.SQLite), postgresSchema(t, pg.Postgres.Reveal())
	same(t, want, got)
	if len(want.Columns) < 80 || len(want.Keys) < 15 || len(want.Foreign) < 5 || len(want.Checks) < 10 {
		t.Errorf("this is not the whole schema: %v", want)
	}
}

// lines runs a query of one text column and returns it sorted.
func lines(t *testing.T, db *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func sqliteSchema(t *testing.T, path string) (s schema) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const tables = `sqlite_master m WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%'`
	for _, name := range lines(t, db, `SELECT m.name FROM `+tables) {
		s.Columns = append(s.Columns, lines(t, db, fmt.Sprintf(`SELECT '%s.' || name || ' ' ||
			CASE type WHEN 'INTEGER' THEN 'bigint' WHEN 'BLOB' THEN 'bytea' ELSE lower(type) END ||
			CASE "notnull" WHEN 1 THEN '' ELSE ' nullable' END FROM pragma_table_info('%[1]s')`, name))...)
		columns := fmt.Sprintf(`SELECT '%s(' || (SELECT group_concat(name, ', ') FROM
			(SELECT name FROM pragma_index_info(l.name) ORDER BY seqno)) || ')' FROM pragma_index_list('%[1]s') l WHERE "unique" = `, name)
		s.Keys = append(s.Keys, lines(t, db, columns+"1")...)
		s.Indexes = append(s.Indexes, lines(t, db, columns+"0")...)
		// A primary key of one INTEGER is the row's number: it has no index.
		s.Keys = append(s.Keys, lines(t, db, fmt.Sprintf(`SELECT '%s(' || name || ')' FROM pragma_table_info('%[1]s')
			WHERE pk = 1 AND type = 'INTEGER' AND (SELECT MAX(pk) FROM pragma_table_info('%[1]s')) = 1`, name))...)
		s.Foreign = append(s.Foreign, lines(t, db, fmt.Sprintf(`SELECT '%s.' || "from" || ' → ' || "table" || '.' || "to" || ' ' || on_delete
			FROM pragma_foreign_key_list('%[1]s')`, name))...)
	}
	check := regexp.MustCompile(`CONSTRAINT (\w+)\s+CHECK`)
	for _, text := range lines(t, db, `SELECT m.sql FROM `+tables) {
		for _, m := range check.FindAllStringSubmatch(text, -1) {
			s.Checks = append(s.Checks, m[1])
		}
		if n := strings.Count(text, "CHECK"); n != len(check.FindAllString(text, -1)) {
			t.Errorf("a check has no name in: %s", text)
		}
	}
	return s.sorted()
}

func postgresSchema(t *testing.T, dsn string) (s schema) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s.Columns = lines(t, db, `SELECT table_name || '.' || column_name || ' ' || data_type ||
		CASE is_nullable WHEN 'NO' THEN '' ELSE ' nullable' END
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%'`)
	const columns = `SELECT i.indrelid::regclass || '(' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n)
		FROM unnest(i.indkey) WITH ORDINALITY k(num, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num) || ')'
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
		WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'goose%' AND i.indisunique = `
	s.Keys, s.Indexes = lines(t, db, columns+"TRUE"), lines(t, db, columns+"FALSE")
	s.Foreign = lines(t, db, `SELECT conrelid::regclass || '.' || a.attname || ' → ' || confrelid::regclass || '.' || b.attname || ' ' ||
		CASE confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'a' THEN 'NO ACTION' ELSE confdeltype::text END
		FROM pg_constraint JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]
		JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = confkey[1] WHERE contype = 'f'`)
	s.Checks = lines(t, db, `SELECT conname::text FROM pg_constraint
		WHERE contype = 'c' AND connamespace = 'public'::regnamespace`)
	if loose := lines(t, db, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' AND data_type = 'text'
		AND collation_name IS DISTINCT FROM 'C'`); len(loose) > 0 {
		t.Errorf("not compared by bytes: %v", loose)
	}
	return s.sorted()
}

func (s schema) sorted() schema {
	for _, list := range [][]string{s.Columns, s.Keys, s.Indexes, s.Foreign, s.Checks} {
		slices.Sort(list)
	}
	return s
}

func TestMigrationsAreNumberedPairsThatOnlyGoForward(t *testing.T) {
	names := func(engine string) (all []string) {
		files, err := os.ReadDir("migrations/" + engine)
		if err != nil {
			t.Fatal(err)
		}
		last := ""
		for _, f := range files {
			number, _, _ := strings.Cut(f.Name(), "_")
			if len(number) != 4 || number <= last {
				t.Errorf("%s has not a number of its own, of four digits", f.Name())
			}
			last = number
			text, err := os.ReadFile("migrations/" + engine + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(text, []byte("+goose Down")) {
				t.Errorf("%s goes back", f.Name())
			}
			all = append(all, f.Name())
		}
		return all
	}
	same(t, names("sqlite"), names("postgres"))
}

// modernc.org/sqlite is generated for one version of modernc.org/libc and
// breaks in the oddest ways on another; goose asks for a newer one.
func TestLibcIsTheOneThatSQLiteWasMadeFor(t *testing.T) {
	list := func(format, module string) string {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", format, module).Output()
		if err != nil {
			t.Fatalf("go list -m %s: %v", module, err)
		}
		return strings.TrimSpace(string(out))
	}
	mod, err := os.ReadFile(list("{{.GoMod}}", "modernc.org/sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`modernc\.org/libc (v\S+)`).FindSubmatch(mod)
	if want == nil {
		t.Fatal("modernc.org/sqlite does not ask for modernc.org/libc any more")
	}
	got := list("{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}", "modernc.org/libc")
	if got != string(want[1]) {
		t.Errorf("we build with libc %s, SQLite was made for %s: mend the replace in go.mod", got, want[1])
	}
}
