package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/cli"
	"github.com/sallyport-dev/sallyport/internal/store/storetest"
)

// output is a buffer that a running program writes and a test reads.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// sallyport runs a command line to its end.
func sallyport(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs output
	code = cli.Run(t.Context(), args, func(name string) string { return env[name] }, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// serve runs "serve --config" until the test ends, and returns the URL of the
// management API.
func serve(t *testing.T, env map[string]string, file string) (management string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var log output
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, []string{"serve", "--config", file}, func(name string) string { return env[name] }, strings.NewReader(""), &output{}, &log)
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != 0 {
			t.Errorf("serve ended with %d: %s", code, log.String())
		}
	})
	found := regexp.MustCompile(`"msg":"serving".*"management":"([^"]+)"`)
	deadline := time.Now().Add(60 * time.Second)
	for {
		if m := found.FindStringSubmatch(log.String()); m != nil {
			return m[1]
		}
		select {
		case code := <-done:
			t.Fatalf("serve ended with %d: %s", code, log.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("serve did not come up: %s", log.String())
		}
	}
}

func TestServeRunsOnEitherDatabase(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			env := map[string]string{"SEALING": strings.Repeat("0123456789abcdef", 4), "HASHING": strings.Repeat("fedcba9876543210", 4)}
			database := "{sqlite: data/market.db}"
			if engine == "postgres" {
				env["DSN"] = storetest.Postgres(t)
				database = "{postgres: {env: DSN}}"
			}
			file := filepath.Join(dir, "sallyport.yaml")
			text := fmt.Sprintf(`data: data
database: %s
keys: {sealing: {env: SEALING}, hashing: {env: HASHING}}
management: {listen: "127.0.0.1:0"}
portal: {listen: "127.0.0.1:0"}
environments:
  sandbox: {listen: "127.0.0.1:0"}
  production: {listen: "127.0.0.1:0", algorithm: ES256}
`, database)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			env["SALLYPORT_URL"] = serve(t, env, file)
			env["SALLYPORT_CA"] = filepath.Join(dir, "data", "ca.pem")
			code, token, stderr := sallyport(t, env, "bootstrap", "--config", file)
			if code != 0 {
				t.Fatalf("bootstrap: %d %s", code, stderr)
			}
			env["SALLYPORT_TOKEN"] = strings.TrimSpace(token)
			for _, args := range [][]string{{"status"}, {"org", "create", "First Customer"}, {"org", "list", "-o", "json"}} {
				if code, stdout, stderr := sallyport(t, env, args...); code != 0 || stdout == "" {
					t.Errorf("%v: %d %s %s", args, code, stdout, stderr)
				}
			}
			if _, stdout, _ := sallyport(t, env, "status"); !strings.Contains(stdout, engine) {
				t.Errorf("status does not say %s: %s", engine, stdout)
			}
		})
	}
}

// What cannot work is said in one line, with exit code 1.
func TestTheDemoSaysInOneLineWhyItCannotStart(t *testing.T) {
	s := start(t)
	port := strings.TrimPrefix(s.Environments["sandbox"].URL, "https://")
	free := func(dir string) []string {
		return []string{"demo", "--data", dir, "--listen-sandbox", "127.0.0.1:0", "--listen-production", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0", "--listen-portal", "127.0.0.1:0"}
	}
	damaged, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	for name, text := range map[string]string{filepath.Join(damaged, "sallyport.db"): strings.Repeat("no database ", 4096), file: "x"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a port in use", append(free(t.TempDir()), "--listen-sandbox", port), 1, "is in use by another program"},
		{"a data folder that is a file", free(file), 1, "not a folder"},
		{"a damaged database", free(damaged), 1, "sallyport.db"},
		{"an unknown flag", []string{"demo", "--nonsense"}, 2, "unknown flag"},
		{"no configuration", []string{"serve"}, 2, "--config"},
		{"a configuration that is not there", []string{"serve", "--config", filepath.Join(damaged, "none.yaml")}, 1, "none.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := sallyport(t, nil, tt.args...)
			first, rest, _ := strings.Cut(strings.TrimSpace(stderr), "\n")
			if code != tt.code || !strings.HasPrefix(first, "sallyport: ") || !strings.Contains(first, tt.want) || stdout != "" {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d and %q", code, stdout, stderr, tt.code, tt.want)
			}
			for line := range strings.Lines(rest) {
				if !strings.HasPrefix(line, "hint: ") {
					t.Errorf("a second line that is no hint: %q", line)
				}
			}
		})
	}
}
