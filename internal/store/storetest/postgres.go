package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sallyport-dev/sallyport/internal/secret"
	"github.com/sallyport-dev/sallyport/internal/store"
)

// The server of this process, made by the first test that needs it. A process
// has one, and testing gives its tests nothing else to share.
var server = sync.OnceValues(findServer)

// errNone is returned when there is no PostgreSQL to be had.
var errNone = errors.New("no PostgreSQL: set SALLYPORT_TEST_POSTGRES to the URL of one, or install its server")

// Postgres returns the URL of a fresh database, to open a store on. It is
// dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	at, err := server()
	if errors.Is(err, errNone) && os.Getenv("CI") != "true" { //nolint:forbidigo // of the test's surroundings
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := "sallyport_test_" + strings.ToLower(rand.Text())
	if err := at.do("CREATE DATABASE " + name + " TEMPLATE " + at.template); err != nil {
		t.Fatalf("copy the template: %v", err)
	}
	t.Cleanup(func() {
		if err := at.do("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return at.database(name)
}

// running is a server on which databases may be created.
type running struct {
	admin    string // URL of a database to command from
	template string
}

// findServer returns the server that is named, or a private one with a migrated
// template on it. On a named one a template would be left behind.
func findServer() (*running, error) {
	admin := os.Getenv("SALLYPORT_TEST_POSTGRES") //nolint:forbidigo // of the test's surroundings
	if admin != "" {
		return &running{admin: admin, template: "template1"}, nil
	}
	admin, err := startServer()
	if err != nil {
		return nil, err
	}
	at := &running{admin: admin, template: "sallyport_template"}
	if err := at.makeTemplate(); err != nil {
		return nil, fmt.Errorf("make the template: %w", err)
	}
	return at, nil
}

// makeTemplate makes the database that every test gets a copy of.
func (at *running) makeTemplate() error {
	if err := at.do("CREATE DATABASE " + at.template); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := store.Open(ctx, store.Config{Postgres: secret.New(at.database(at.template))})
	if err != nil {
		return err
	}
	return s.Close()
}

func (at *running) do(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, at.admin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// database is the URL of another database of the server.
func (at *running) database(name string) string {
	u, err := url.Parse(at.admin)
	if err != nil {
		panic("SALLYPORT_TEST_POSTGRES is not a URL")
	}
	u.Path = "/" + name
	return u.String()
}

// startServer starts a private server on a Unix socket and returns its URL.
//
// A shell stands between: it holds the server and waits for the end of its
// standard input, which is a pipe from this process. Whatever ends the process,
// be it the last test, a panic, a timeout or kill -9, the pipe closes, and the
// shell stops the server and removes its files.
func startServer() (admin string, err error) {
	bin, err := findBinaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "sallyport-pg-") // not t.TempDir: it outlives the test
	if err != nil {
		return "", err
	}
	attributes, err := unprivileged(dir)
	if err != nil {
		return "", err
	}
	const script = `
		"$1/initdb" -D "$2/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$2/log" 2>&1 || exit 1
		"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
			-c full_page_writes=off -c max_connections=200 >>"$2/log" 2>&1 </dev/null &
		read -r _
		kill -QUIT $!
		wait
		rm -rf "$2"`
	shell := exec.Command("/bin/sh", "-c", script, "sh", bin, dir) //nolint:gosec,noctx // lives as long as the process
	shell.SysProcAttr = attributes
	shell.Dir = dir
	shell.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	if _, err := shell.StdinPipe(); err != nil { // stays open until this process ends
		return "", err
	}
	if err := shell.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		_ = shell.Wait()
		close(ended)
	}()
	admin = "postgres://postgres@/postgres?host=" + url.QueryEscape(dir)
	return admin, awaitServer(admin, filepath.Join(dir, "log"), ended)
}

// awaitServer waits until the server answers.
func awaitServer(admin, log string, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, admin)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-tick.C:
			continue
		case <-ended:
		case <-ctx.Done():
		}
		said, _ := os.ReadFile(log) //nolint:gosec // our own
		return fmt.Errorf("start PostgreSQL: %w\n%s", err, said)
	}
}

// findBinaries returns the directory of initdb and postgres: of the newest
// version under Debian's directory, or of the one in PATH.
func findBinaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return strings.Compare(b, a) })
	if found, err := exec.LookPath("postgres"); err == nil {
		if found, err = filepath.EvalSymlinks(found); err == nil {
			dirs = append(dirs, filepath.Dir(found))
		}
	}
	for _, dir := range dirs {
		_, server := os.Stat(filepath.Join(dir, "postgres"))
		_, initdb := os.Stat(filepath.Join(dir, "initdb"))
		if server == nil && initdb == nil {
			return dir, nil
		}
	}
	return "", errNone
}
