package e2e_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport/internal/cli"
)

// pipe is a log whose reader stops reading when it wants to.
type pipe struct {
	output
	stopped chan struct{} // closed: it does not read
	again   chan struct{} // closed: it reads again
}

func (p *pipe) Write(b []byte) (int, error) {
	select {
	case <-p.stopped:
		<-p.again
	default:
	}
	return p.output.Write(b)
}

func TestALogThatNobodyReadsStopsNoRequest(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "sallyport.yaml")
	text := `keys: {sealing: {env: SEALING}, hashing: {env: HASHING}}
management: {listen: "127.0.0.1:0"}
portal: {listen: "127.0.0.1:0"}
environments:
  sandbox: {listen: "127.0.0.1:0"}
  production: {listen: "127.0.0.1:0"}
data: data
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"SEALING": strings.Repeat("0123456789abcdef", 4), "HASHING": strings.Repeat("fedcba9876543210", 4)}
	log := &pipe{stopped: make(chan struct{}), again: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, []string{"serve", "--config", file}, func(name string) string { return env[name] }, strings.NewReader(""), &output{}, log)
	}()
	serving := regexp.MustCompile(`"msg":"serving".*"portal":"([^"]+)"`)
	deadline := time.Now().Add(60 * time.Second)
	for !serving.MatchString(log.String()) {
		if time.Now().After(deadline) {
			t.Fatalf("serve did not come up: %s", log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	close(log.stopped)
	portal := serving.FindStringSubmatch(log.String())[1]
	customer := httpClient(t, filepath.Join(dir, "data", "ca.pem"))
	const many = 200
	for range many {
		ask, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		r, err := http.NewRequestWithContext(ask, http.MethodGet, portal+"/no-such-page", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := customer.Do(r)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	close(log.again)
	customer.CloseIdleConnections()
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("serve ended with %d", code)
	}
	if got := strings.Count(log.String(), "/no-such-page"); got != many {
		t.Errorf("%d of %d requests are in the log", got, many)
	}
}
